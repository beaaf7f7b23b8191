from __future__ import annotations

from dataclasses import replace

from pipeline.core.changes.inputs import InputChange
from pipeline.core.changes.model import Changes, InputChanges
from pipeline.core.deploy.phase import Fleet, Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.health.observation import Balancer
from pipeline.core.hooks.hook import Hook, Point, Runs
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Delays, Kind, Policy
from pipeline.core.state.strategy import Step
from pipeline.core.terraform.plan_guard import Change, Plan
from pipeline.ui.plan import due_hooks, once_note, plan_document, plan_text
from pipeline.ui.results import as_json
from tests.ui.status_examples import a_deployment

POLICY = Policy(
    soak=60.0,
    observe=600.0,
    deadlines={"launch": 300.0},
    hooks=(Hook(at=Point.BEFORE_TRAFFIC, command=("tools/check", "--url", "a b"), timeout=30.0),),
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
production: promote r000124 (1.4.0, ami-00000000000000124), replacing r000123

PHASE    SERVING          DETACHED         GATE                              LIMIT  ON FAILURE
launch   r000123          r000122 r000124  all of r000124 InService          5m     roll back
verify   r000123          r000122 r000124  hooks pass for r000124            15m    roll back
attach   r000123 r000124  r000122          r000124 healthy 3 times in a row  15m    roll back
soak     r000123 r000124  r000122          r000124 healthy for 1m            15m    roll back
drain    r000124          r000122 r000123  r000123 drained                   15m    roll back
observe  r000124          r000122 r000123  r000124 healthy for 10m           15m    roll back
retire   r000124          r000123          r000122 deleted                   15m    hold

hooks      before-traffic tools/check --url 'a b' (limit 30s)
alarms     web-5xx, web-latency
preflight  1 finding
  load balancer web-elb: has no listener
    next: aws elb create-load-balancer-listeners
terraform  Plan: 1 to import, 2 to add, 0 to change, 0 to destroy.
  < import module.release.aws_launch_template.this["r000124"]
  + create module.release.aws_autoscaling_group.this["r000124"]
  ? move module.release.aws_instance.stray (it was renamed)
nothing was changed"""
FIRST = """\
production: promote r000124 (1.4.0, ami-00000000000000124) while no managed release serves

PHASE   SERVING  DETACHED  GATE                              LIMIT  ON FAILURE
launch  -        r000124   all of r000124 InService          15m    roll back
verify  -        r000124   no hooks                          15m    roll back
attach  r000124  -         r000124 healthy 3 times in a row  15m    roll back
soak    r000124  -         r000124 healthy for 0s            15m    roll back
retire  r000124  -         nothing to delete                 15m    hold

preflight  no findings
terraform  no changes
nothing was changed"""


def test_the_plan_of_a_promotion() -> None:
    assert plan_text(PREVIEW) == PROMOTION


def test_the_table_of_phases_fits_a_terminal() -> None:
    lines = plan_text(PREVIEW, 80, 80).split("\n")
    assert max(map(len, lines)) <= 80
    first = next(number for number, line in enumerate(lines) if line.startswith("PHASE"))
    assert [" ".join(line.split()) for line in lines[first : first + 3]] == [
        "PHASE SERVING DETACHED GATE",
        "launch r000123 r000122 r000124 all of r000124 InService",
        "limit: 5m, on failure: roll back",
    ]


def test_the_plan_of_a_first_release() -> None:
    first = replace(
        PREVIEW,
        deployment=replace(PREVIEW.deployment, blue=""),
        phases=promotion("", "r000124"),
        policy=Policy(),
        plan=Plan(file=None, changes=()),
        findings=(),
    )
    assert plan_text(first) == FIRST


def test_a_skipped_terraform_plan_is_reported() -> None:
    assert "terraform  skipped\n" in plan_text(replace(PREVIEW, plan=None))


def test_the_plan_of_a_rollback() -> None:
    fleet = Fleet(serving=frozenset({"r000124"}), detached=frozenset({"r000123"}))
    back = replace(PREVIEW, phases=rollback("r000123", "r000124", fleet))
    lines = plan_text(back).splitlines()[2:6]
    assert [line.split()[0] for line in lines] == ["PHASE", "reattach", "detach", "delete"]
    assert all(line.endswith("hold") for line in lines[1:])


def test_the_document_of_a_plan() -> None:
    document = plan_document(PREVIEW)
    assert document["phases"][2] == {
        "name": "attach",
        "serving": ["r000123", "r000124"],
        "detached": ["r000122"],
        "shares": None,
        "gate": "r000124 healthy 3 times in a row",
        "limit": 900.0,
        "on_failure": "roll back",
    }
    assert document["findings"][0]["where"] == "load balancer web-elb"
    assert document["terraform"]["changes"][0]["imports"] is True
    assert plan_document(replace(PREVIEW, plan=None))["terraform"] is None
    assert document["detach"] == []
    shop = Balancer(kind="elb", identifier="shop", name="shop")
    leaving = replace(PREVIEW, deployment=replace(PREVIEW.deployment, detach=(shop,)))
    assert plan_document(leaving)["detach"] == ["shop"]
    assert as_json(document)


def test_a_skipped_preflight_is_reported() -> None:
    """A rollback to a warm group skips preflight and Terraform to save time."""
    warm = plan_text(replace(PREVIEW, plan=None, findings=()))
    assert "preflight  skipped\nterraform  skipped\n" in warm


INPUTS = (
    InputChange(name="instance_type", before="t3.small", after="t3.large"),
    InputChange(name="terraform.inputs.key_name", before=None, after="ada"),
    InputChange(name="terraform.inputs.tags", before={"team": "shop"}, after={}),
    InputChange(name="terraform.inputs.user_data", before="set -eu\nold\n", after="set -eu\nnew\n"),
    InputChange(name="terraform.module", before="0a", after="0b"),
)
SHOWN = """\
inputs     instance_type: t3.small -> t3.large
           terraform.inputs.key_name: not set -> ada
           terraform.inputs.tags: {"team": "shop"} -> {}
           terraform.inputs.user_data:
             @@ -1,2 +1,2 @@
              set -eu
             -old
             +new
           terraform.module: changed
preflight  1 finding
"""


def with_inputs(*inputs: InputChange) -> PlanPreview:
    changes = Changes(inputs=InputChanges(changed=inputs))
    return replace(PREVIEW, deployment=replace(PREVIEW.deployment, changes=changes))


def test_each_input_is_shown_before_and_after() -> None:
    assert SHOWN in plan_text(with_inputs(*INPUTS))


def test_a_program_reads_each_input_before_and_after() -> None:
    document = plan_document(with_inputs(*INPUTS))
    assert document["inputs"][0] == {
        "name": "instance_type",
        "before": "t3.small",
        "after": "t3.large",
    }
    assert plan_document(PREVIEW)["inputs"] == []


def test_an_input_with_control_characters_is_harmless() -> None:
    hostile = InputChange(name="terraform.inputs.key_name", before="a\x1b[2J", after="b\n\x1b]0;x")
    assert "\x1b" not in plan_text(with_inputs(hostile))


WORKERS = """\
production: promote r000124 (1.4.0, ami-00000000000000124), replacing r000123

PHASE    RUNNING          STOPPED  GATE                              LIMIT  ON FAILURE
launch   r000123 r000124  -        r000124 healthy 3 times in a row  15m    roll back
verify   r000123 r000124  -        no hooks                          15m    roll back
soak     r000123 r000124  -        r000124 healthy for 0s            15m    roll back
drain    r000124          r000123  r000123 stopped, hook up to 30m   32m    roll back
observe  r000124          r000123  r000124 healthy for 0s            15m    roll back
retire   r000124          -        r000123 deleted                   15m    hold

workers    no load balancers: a group serves while it runs instances; a termination hook holds an
           instance of r000123 for up to 30m, and longer if the instance sends heartbeats
"""
GAP = """\
PHASE    RUNNING  STOPPED          GATE                              LIMIT  ON FAILURE
drain    -        r000123 r000124  r000123 stopped                   15m    roll back
launch   r000124  r000123          r000124 healthy 3 times in a row  15m    roll back
verify   r000124  r000123          no hooks                          15m    roll back
observe  r000124  r000123          r000124 healthy for 0s            15m    roll back
retire   r000124  -                r000123 deleted                   15m    hold

workers    no load balancers: a group serves while it runs instances; overlap = false: no worker
           runs from the stop of r000123 until r000124 is healthy
"""


def test_the_plan_of_workers_shows_what_runs_and_the_time_without_workers() -> None:
    deployment = replace(PREVIEW.deployment, worker=True)
    policy = Policy(delays=Delays(drain=1800.0))
    how = Manner(worker=True)
    phases = promotion("r000123", "r000124", how=how)
    preview = PlanPreview(deployment=deployment, phases=phases, policy=policy)
    assert plan_text(preview).startswith(WORKERS)
    how = Manner(worker=True, overlap=False)
    phases = promotion("r000123", "r000124", how=how)
    preview = PlanPreview(deployment=deployment, phases=phases, policy=Policy(overlap=False))
    assert GAP in plan_text(preview)
    assert plan_document(preview)["overlap"] is False


def test_the_plan_says_why_a_rollback_does_not_soak() -> None:
    why = "r000123 is one of the last 3 releases that served: without soak and observe"
    assert f"\nrollback   {why}\n" in plan_text(replace(PREVIEW, quick=why))
    assert plan_document(replace(PREVIEW, quick=why))["quick"] == why
    assert plan_document(PREVIEW)["quick"] is None


def test_the_plan_says_past_which_hook_no_way_leads_back() -> None:
    once = Hook(at=Point.BEFORE_LAUNCH, command=("./migrate",), timeout=30.0, once=True)
    warm = Hook(at=Point.AFTER_DRAIN, command=("/opt/w",), timeout=5.0, run=Runs.INSTANCE)
    preview = replace(PREVIEW, policy=Policy(hooks=(once, warm)))
    text = plan_text(preview, 100)
    assert (
        """\
hooks      before-launch ./migrate (limit 30s); after-drain /opt/w (limit 5s, on green)
once       no way back past the before-launch hook ./migrate: a rollback moves the traffic, and does
           not undo the program
"""
        in text
    )
    assert once_note(preview) == "no way back past the before-launch hook ./migrate"
    first, second = plan_document(preview)["hooks"]
    assert (first["once"], first["on"], second["on"]) == (True, None, "green")


def test_the_plan_of_a_rollback_to_a_warm_group_has_the_hooks_of_the_way_back_only() -> None:
    hooks = tuple(
        Hook(at=at, command=("a",), timeout=1.0, once=at is Point.AFTER_LAUNCH) for at in Point
    )
    fleet = Fleet(serving=frozenset({"r000124"}), detached=frozenset({"r000123"}))
    phases = rollback("r000123", "r000124", fleet)
    preview = replace(PREVIEW, phases=phases, policy=Policy(hooks=hooks))
    assert [hook.at for hook in due_hooks(preview)] == ["after", "on-failure", "on-rollback"]
    back = replace(PREVIEW.deployment, kind=Kind.ROLLBACK)
    cold = replace(preview, deployment=back, phases=promotion("r000124", "r000125"))
    assert Point.AFTER_LAUNCH not in {hook.at for hook in due_hooks(cold)}
    assert once_note(preview) == ""


def test_the_plan_of_a_canary_has_the_share_of_each_release() -> None:
    steps = (Step(seconds=300, weight=5),)
    phases = promotion("r000123", "r000124", how=Manner(pairs=True, steps=steps))
    policy = replace(PREVIEW.policy, steps=steps)
    preview = replace(PREVIEW, phases=phases, policy=policy)
    rows = [line.split() for line in plan_text(preview).splitlines()]
    found = {row[0]: " ".join(row[1:7]) for row in rows if row}
    assert found["attach"].startswith("r000123 r000124 r000124 healthy")
    assert found["step-1"] == "r000123 95 % r000124 5 %"
    assert found["observe"].startswith("r000124 r000123 r000124 healthy")
    shares = {each["name"]: each["shares"] for each in plan_document(preview)["phases"]}
    assert shares["step-1"] == {"r000124": 5, "r000123": 95}
    assert shares["launch"] is None
