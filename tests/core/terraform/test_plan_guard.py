"""Check captured plans of Terraform 1.11.4 on the local cloud.

In the captures, r000001 serves and r000002 is new; each has a policy `cpu`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.terraform.stream import RunOutput, StreamReader
from pipeline.core.terraform.plan_guard import (
    GROUP,
    TEMPLATE,
    Change,
    adoption_breaches,
    breaches,
    kind_of,
    releases_of,
)

CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"
NONE: frozenset[str] = frozenset()
OLD, NEW = frozenset({"r000001"}), frozenset({"r000002"})
MODULE = "module.release"


def read_capture(capture: str) -> RunOutput:
    reader = StreamReader()
    reader.feed((CAPTURES / f"{capture}.log").read_bytes())
    return reader.close()


def breaches_of(
    capture: str, *, creates: frozenset[str] = NONE, deletes: frozenset[str] = NONE
) -> tuple[str, ...]:
    read = read_capture(capture)
    return breaches((*read.planned, *read.standing), creates=creates, deletes=deletes)


def change(address: str, action: str = "create", *, imports: bool = False) -> Change:
    return Change(address=address, kind=kind_of(address), action=action, imports=imports)


def group(release: str, action: str = "create", *, imports: bool = False) -> Change:
    return change(f'{MODULE}.{GROUP}.this["{release}"]', action, imports=imports)


def template(release: str, action: str = "create", *, imports: bool = False) -> Change:
    return change(f'{MODULE}.{TEMPLATE}.this["{release}"]', action, imports=imports)


PROGRAMS = ("terraform-1.11.4", "terraform-1.15.5", "opentofu-1.12.6")
LAUNCH_TEMPLATE, SCALING_GROUP = "aws_launch_template.this", "aws_autoscaling_group.this"
REFUSED = {
    "plan-create": {f"{LAUNCH_TEMPLATE}: create", f"{SCALING_GROUP}: create"},
    "plan-nothing": set(),
    "plan-update": {f"{LAUNCH_TEMPLATE}: update", f"{SCALING_GROUP}: update"},
    "plan-replace": {
        f"{LAUNCH_TEMPLATE}: replace, the command line requested it",
        f"{SCALING_GROUP}: update",
    },
    "plan-destroy": {f"{LAUNCH_TEMPLATE}: delete", f"{SCALING_GROUP}: delete"},
    "plan-removed": {
        f"{LAUNCH_TEMPLATE}: update",
        f"{SCALING_GROUP}: remove, the module no longer has this resource",
    },
    "plan-destroy-false": {
        f"{LAUNCH_TEMPLATE}: replace without a deletion, AWS cannot change it in place",
        f"{SCALING_GROUP}: update",
    },
}
CAPTURED = [
    (program, name)
    for program in PROGRAMS
    for name in REFUSED
    if (CAPTURES.parent / program / f"{name}.out").exists()
    and (name != "plan-destroy-false" or "tofu" in program)
]


@pytest.mark.parametrize(("program", "name"), CAPTURED)
@pytest.mark.parametrize("deletes", [NONE, OLD])
def test_plans_of_each_program_are_refused_for_the_same_changes(
    program: str, name: str, deletes: frozenset[str]
) -> None:
    """Their resources belong to no release, so each change is another one than expected."""
    reader = StreamReader()
    reader.feed((CAPTURES.parent / program / f"{name}.out").read_bytes())
    read = reader.close()
    found = breaches((*read.planned, *read.standing), creates=NONE, deletes=deletes)
    assert set(found) == REFUSED[name]
    assert read.breaches == ()


@pytest.mark.parametrize("action", ["remove", "replace without a deletion"])
@pytest.mark.parametrize(("creates", "deletes"), [(NEW, NONE), (NONE, OLD)])
def test_what_would_only_be_forgotten_is_refused_at_the_launch_and_in_retire(
    action: str, creates: frozenset[str], deletes: frozenset[str]
) -> None:
    for release in OLD | NEW:
        forgotten = replace(
            group(release, action), reason="forgot_because_lifecycle_destroy_in_config"
        )
        assert f"{forgotten.address}: {action}, the module sets `destroy = false`" in breaches(
            [forgotten], creates=creates, deletes=deletes
        )


def test_a_launch_creates_one_release_and_a_retirement_deletes_one() -> None:
    assert breaches_of("launch", creates=NEW) == ()
    assert breaches_of("retire", deletes=OLD) == ()


def test_a_tainted_group_may_be_deleted() -> None:
    assert breaches_of("retire-tainted", deletes=NEW) == ()


def test_a_release_that_is_missing_in_aws_may_be_retired() -> None:
    assert breaches_of("drift-retire", deletes=OLD) == ()


def test_an_existing_release_need_not_be_created() -> None:
    assert breaches_of("empty", creates=OLD) == ()


def test_a_plan_for_one_phase_is_rejected_for_another() -> None:
    assert breaches_of("launch") == (
        f'{MODULE}.{TEMPLATE}.this["r000002"]: create',
        f'{MODULE}.{GROUP}.this["r000002"]: create',
        f'{MODULE}.aws_autoscaling_policy.this["r000002/cpu"]: create',
    )
    key_gone = "its key is no longer in the module's map"
    assert breaches_of("retire", creates=NEW) == (
        f'{MODULE}.{TEMPLATE}.this["r000001"]: delete, {key_gone}',
        f'{MODULE}.{GROUP}.this["r000001"]: delete, {key_gone}',
        f'{MODULE}.aws_autoscaling_policy.this["r000001/cpu"]: delete, {key_gone}',
    )


def test_a_live_group_that_is_missing_in_aws_is_reported_as_missing() -> None:
    missing = "create, missing in AWS, still in the state"
    expected = {
        f'{MODULE}.{GROUP}.this["r000001"]: {missing}',
        f'{MODULE}.aws_autoscaling_policy.this["r000001/cpu"]: {missing}',
    }
    assert set(breaches_of("drift", creates=NEW)) == expected
    # Nothing of a release may exist before its launch, either.
    assert set(breaches_of("drift", creates=OLD)) == expected


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        (
            "tainted",
            {f'{GROUP}.this["r000002"]: replace, it is tainted: its creation was interrupted'},
        ),
        (
            "replace",
            {
                f'{GROUP}.this["r000001"]: replace, AWS cannot change it in place',
                f'{GROUP}.this["r000002"]: replace, AWS cannot change it in place',
            },
        ),
        ("update", {f'{GROUP}.this["r000001"]: update'}),
        ("move", {'aws_autoscaling_policy.this["r000001/cpu"]: move'}),
    ],
)
@pytest.mark.parametrize("deletes", [NONE, OLD, NEW, OLD | NEW])
def test_other_actions_than_create_and_delete_are_always_rejected(
    capture: str, expected: set[str], deletes: frozenset[str]
) -> None:
    lines = set(breaches_of(capture, creates=OLD | NEW, deletes=deletes))
    assert {f"{MODULE}.{line}" for line in expected} <= lines


def test_a_resource_that_terraform_would_forget_is_rejected() -> None:
    [line] = breaches_of("forget", deletes=OLD)[:1]
    assert line == (
        'module.old.aws_autoscaling_policy.this["r000001/cpu"]: remove, '
        "the module no longer has this resource"
    )


def test_a_launch_that_creates_resources_of_another_release_is_rejected() -> None:
    third = frozenset({"r000003"})
    policy = f"{MODULE}.aws_autoscaling_policy.this"
    assert breaches_of("other-create", creates=third) == (
        f'{policy}["r000002/net"]: create',
        f'{policy}["r000001/net"]: create',
    )


def test_an_import_must_be_of_a_release_to_create() -> None:
    assert breaches_of("adopt", creates=NEW) == ()
    group_line = f'{MODULE}.{GROUP}.this["r000002"]: update with an import'
    assert breaches_of("adopt") == (f'{MODULE}.{TEMPLATE}.this["r000002"]: import', group_line)


def test_an_adoption_imports_only_its_addresses() -> None:
    planned = read_capture("adopt").planned
    both = frozenset(each.address for each in planned)
    assert adoption_breaches(planned, both) == ()
    one = frozenset({f'{MODULE}.{TEMPLATE}.this["r000002"]'})
    assert adoption_breaches(planned, one) == (
        f'{MODULE}.{GROUP}.this["r000002"]: update with an import',
    )
    three = both | {f'{MODULE}.{GROUP}.this["r000003"]'}
    assert adoption_breaches(planned, three) == (f'{MODULE}.{GROUP}.this["r000003"]: not imported',)
    more = (*planned, template("r000003"), change("data.aws_ami.one", "read"))
    assert adoption_breaches(more, both) == (f'{MODULE}.{TEMPLATE}.this["r000003"]: create',)


def test_an_adoption_may_not_replace_an_imported_resource() -> None:
    found = group("r000002", "replace", imports=True)
    assert adoption_breaches([found], frozenset({found.address})) == (
        f"{found.address}: replace with an import",
        f"{found.address}: not imported",
    )


def test_a_partial_launch_is_rejected_unless_the_rest_exists() -> None:
    assert breaches([template("r000002")], creates=NEW, deletes=NONE) == (
        "r000002: the plan creates no aws_autoscaling_group",
    )
    assert breaches([group("r000002")], creates=NEW, deletes=NONE) == (
        "r000002: the plan creates no aws_launch_template",
    )
    rest = [template("r000002", "noop"), group("r000002")]
    assert breaches(rest, creates=NEW, deletes=NONE) == ()
    assert len(breaches([], creates=NEW, deletes=NONE)) == 2


def test_a_policy_does_not_count_as_a_group() -> None:
    policy = change(f'{MODULE}.aws_autoscaling_policy.this["r000002/aws_autoscaling_group"]')
    assert len(breaches([policy], creates=NEW, deletes=NONE)) == 2


def test_a_partial_retirement_is_rejected() -> None:
    left = [group("r000001", "noop"), template("r000001", "delete"), group("r000002", "noop")]
    assert breaches(left, creates=NONE, deletes=OLD) == (
        f'{MODULE}.{GROUP}.this["r000001"]: the plan does not delete it',
    )
    assert breaches([], creates=NONE, deletes=OLD) == ()


def test_a_second_object_at_an_address_is_reported_as_deposed() -> None:
    gone = group("r000001", "delete")
    twice = [template("r000001", "delete"), gone, gone]
    assert breaches(twice, creates=NONE, deletes=OLD) == (
        f'{MODULE}.{GROUP}.this["r000001"]: a deposed object',
    )


def test_a_data_source_is_ignored_and_an_unknown_action_is_rejected() -> None:
    whole = [template("r000002"), group("r000002")]
    data = change('module.release.data.aws_ami.this["r000001"]', "read")
    assert breaches([*whole, data], creates=NEW, deletes=NONE) == ()
    odd = replace(data, address=group("r000002").address + ".x", action="transmogrify")
    assert breaches([*whole, odd], creates=NEW, deletes=NONE) == (f"{odd.address}: transmogrify",)


def test_a_resource_without_a_release_in_its_address_is_rejected() -> None:
    whole = [template("r000002"), group("r000002")]
    for address in ("aws_sns_topic.alarms", "module.release.aws_lb.this[0]", 'x.y["blue"]'):
        assert breaches([*whole, change(address)], creates=NEW, deletes=NONE) == (
            f"{address}: create",
        )


def test_a_resource_of_two_releases_belongs_to_both() -> None:
    shared = change('module.group["r000002"].aws_route53_record.this["r000001"]')
    whole = [template("r000002"), group("r000002"), shared]
    assert breaches(whole, creates=NEW, deletes=NONE) == (f"{shared.address}: create",)
    shared = replace(shared, action="delete")
    assert breaches([shared], creates=NONE, deletes=OLD | NEW) == ()


@pytest.mark.parametrize(
    ("address", "releases", "kind"),
    [
        ('module.release.aws_autoscaling_group.this["r000002"]', {"r000002"}, GROUP),
        (
            'module.release.aws_autoscaling_policy.this["r000002/cpu"]',
            {"r000002"},
            "aws_autoscaling_policy",
        ),
        (
            'module.release.module.group["r000002"].aws_launch_template.this[0]',
            {"r000002"},
            TEMPLATE,
        ),
        ('module.data.aws_launch_template.this["r1000000"]', {"r1000000"}, TEMPLATE),
        ('module.release.data.aws_launch_template.this["r000002"]', {"r000002"}, ""),
        ('aws_x.this["r000002x"]', set(), "aws_x"),
        ('aws_x.this["a/r000002"]', set(), "aws_x"),
        ('aws_x.this["a\\"]r000002[\\"b"]', set(), "aws_x"),
        ('aws_x.this["we].ird.key"]', set(), "aws_x"),
        ("aws_x.r000002", set(), "aws_x"),
    ],
)
def test_an_address_contains_the_release_and_the_kind(
    address: str, releases: set[str], kind: str
) -> None:
    assert releases_of(address) == releases
    assert kind_of(address) == kind
