from __future__ import annotations

from dataclasses import replace

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.phases import promotion, rollback
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Hook, Policy
from pipeline.core.terraform.plan_guard import Change, Plan
from pipeline.ui.plan import plan_document, plan_text
from pipeline.ui.results import as_json
from tests.ui.status_examples import a_deployment

POLICY = Policy(
    soak=60.0,
    observe=600.0,
    deadlines={"launch": 300.0},
    verify=(Hook(command=("tools/check", "--url", "a b"), timeout=30.0),),
    alarms=("web-5xx", "web-latency"),
)
PLAN = Plan(
    file=None,
    summary="Plan: 1 to import, 2 to add, 0 to change, 0 to destroy.",
    changes=tuple(
        Change(address=address, kind="x", action=action, imports=imports, reason=reason)
        for address, action, imports, reason in (
            ('module.release.aws_launch_template.this["r000124"]', "update", True, ""),
            ('module.release.aws_autoscaling_group.this["r000124"]', "create", False, ""),
            ("module.release.aws_instance.stray", "move", False, "it was renamed"),
        )
    ),
)
PREVIEW = PlanPreview(
    deployment=a_deployment(outcome=None, ended=""),
    phases=promotion("r000123", "r000124", warm=("r000122",), keep=True),
    policy=POLICY,
    plan=PLAN,
    findings=(
        Finding(
            where="load balancer web-elb",
            what="has no listener",
            remedy="aws elb create-load-balancer-listeners",
        ),
    ),
)


PROMOTION = """\
production: promote r000124 (1.4.0, ami-00000000000000124) in the place of r000123

PHASE    SERVING          DARK             UNTIL                             AT MOST      ON FAULT
launch   r000123          r000122 r000124  all of r000124 InService          5 min 00 s   roll back
verify   r000123          r000122 r000124  verify hooks pass for r000124     15 min 00 s  roll back
attach   r000123 r000124  r000122          r000124 healthy 3 times in a row  15 min 00 s  roll back
soak     r000123 r000124  r000122          r000124 healthy for 1 min 00 s    15 min 00 s  roll back
drain    r000124          r000122 r000123  r000123 drained                   15 min 00 s  roll back
observe  r000124          r000122 r000123  r000124 healthy for 10 min 00 s   15 min 00 s  roll back
retire   r000124          r000123          r000122 deleted                   15 min 00 s  hold

hooks      tools/check --url 'a b' (at most 30.0 s)
alarms     web-5xx, web-latency
preflight  1 found
  load balancer web-elb: has no listener
    next: aws elb create-load-balancer-listeners
terraform  Plan: 1 to import, 2 to add, 0 to change, 0 to destroy.
  < import module.release.aws_launch_template.this["r000124"]
  + create module.release.aws_autoscaling_group.this["r000124"]
  ? move module.release.aws_instance.stray (it was renamed)
nothing was changed"""
FIRST = """\
production: promote r000124 (1.4.0, ami-00000000000000124), where nothing serves

PHASE   SERVING  DARK     UNTIL                             AT MOST      ON FAULT
launch  -        r000124  all of r000124 InService          15 min 00 s  roll back
verify  -        r000124  no verify hooks                   15 min 00 s  roll back
attach  r000124  -        r000124 healthy 3 times in a row  15 min 00 s  roll back
soak    r000124  -        r000124 healthy for 0.0 s         15 min 00 s  roll back
retire  r000124  -        nothing to delete                 15 min 00 s  hold

preflight  nothing found
terraform  no changes
nothing was changed"""


def test_the_plan_of_a_promotion_reads_so() -> None:
    assert plan_text(PREVIEW) == PROMOTION


def test_the_plan_of_a_first_release_reads_so() -> None:
    first = replace(
        PREVIEW,
        deployment=replace(PREVIEW.deployment, blue=""),
        phases=promotion("", "r000124"),
        policy=Policy(),
        plan=Plan(file=None, changes=()),
        findings=(),
    )
    assert plan_text(first) == FIRST


def test_a_plan_nobody_asked_for_is_told_so() -> None:
    assert "terraform  not asked\n" in plan_text(replace(PREVIEW, plan=None))


def test_a_rollback_is_a_plan_too() -> None:
    fleet = Fleet(serving=frozenset({"r000124"}), detached=frozenset({"r000123"}))
    back = replace(PREVIEW, phases=rollback("r000123", "r000124", fleet))
    lines = plan_text(back).splitlines()[2:6]
    assert [line.split()[0] for line in lines] == ["PHASE", "reattach", "detach", "delete"]
    assert all(line.endswith("hold") for line in lines[1:])


def test_a_program_gets_the_plan() -> None:
    document = plan_document(PREVIEW)
    assert document["phases"][2] == {
        "name": "attach",
        "serving": ["r000123", "r000124"],
        "dark": ["r000122"],
        "until": "r000124 healthy 3 times in a row",
        "limit": 900.0,
        "on_fault": "roll back",
    }
    assert document["findings"][0]["where"] == "load balancer web-elb"
    assert document["terraform"]["changes"][0]["imports"] is True
    assert plan_document(replace(PREVIEW, plan=None))["terraform"] is None
    assert as_json(document)


def test_where_no_preflight_is_made_none_is_claimed() -> None:
    """A rollback to a warm group asks neither: somebody waits for its first call."""
    warm = plan_text(replace(PREVIEW, plan=None, findings=()))
    assert "preflight  not asked\nterraform  not asked\n" in warm
