"""The guard against plans as Terraform 1.11.4 streamed them on the local cloud.

The captures' fleet: r000001 serves, r000002 is new, each with a policy `cpu`.
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


def said(capture: str) -> RunOutput:
    reader = StreamReader()
    reader.feed((CAPTURES / f"{capture}.log").read_bytes())
    return reader.close()


def told(
    capture: str, *, creates: frozenset[str] = NONE, deletes: frozenset[str] = NONE
) -> tuple[str, ...]:
    read = said(capture)
    return breaches((*read.planned, *read.standing), creates=creates, deletes=deletes)


def change(address: str, action: str = "create", *, imports: bool = False) -> Change:
    return Change(address=address, kind=kind_of(address), action=action, imports=imports)


def group(release: str, action: str = "create", *, imports: bool = False) -> Change:
    return change(f'{MODULE}.{GROUP}.this["{release}"]', action, imports=imports)


def template(release: str, action: str = "create", *, imports: bool = False) -> Change:
    return change(f'{MODULE}.{TEMPLATE}.this["{release}"]', action, imports=imports)


def test_a_launch_creates_one_release_and_a_retirement_deletes_one() -> None:
    assert told("launch", creates=NEW) == ()
    assert told("retire", deletes=OLD) == ()


def test_a_tainted_group_may_be_deleted() -> None:
    assert told("retire-tainted", deletes=NEW) == ()


def test_what_is_gone_from_aws_already_may_be_retired() -> None:
    assert told("drift-retire", deletes=OLD) == ()


def test_what_stands_already_need_not_be_made_again() -> None:
    assert told("empty", creates=OLD) == ()


def test_a_plan_made_for_one_thing_is_refused_for_another() -> None:
    assert told("launch") == (
        f'{MODULE}.{TEMPLATE}.this["r000002"]: create',
        f'{MODULE}.{GROUP}.this["r000002"]: create',
        f'{MODULE}.aws_autoscaling_policy.this["r000002/cpu"]: create',
    )
    key_gone = "its key is no longer in the module's map"
    assert told("retire", creates=NEW) == (
        f'{MODULE}.{TEMPLATE}.this["r000001"]: delete, {key_gone}',
        f'{MODULE}.{GROUP}.this["r000001"]: delete, {key_gone}',
        f'{MODULE}.aws_autoscaling_policy.this["r000001/cpu"]: delete, {key_gone}',
    )


def test_a_live_group_that_is_missing_in_aws_is_named_as_such() -> None:
    missing = "create, missing in AWS, still in the state"
    expected = {
        f'{MODULE}.{GROUP}.this["r000001"]: {missing}',
        f'{MODULE}.aws_autoscaling_policy.this["r000001/cpu"]: {missing}',
    }
    assert set(told("drift", creates=NEW)) == expected
    # A release that is being launched begins with nothing, too.
    assert set(told("drift", creates=OLD)) == expected


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        (
            "tainted",
            {f'{GROUP}.this["r000002"]: replace, its creation was cut short, it is tainted'},
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
def test_what_is_neither_create_nor_delete_is_refused_whatever_was_asked(
    capture: str, expected: set[str], deletes: frozenset[str]
) -> None:
    lines = set(told(capture, creates=OLD | NEW, deletes=deletes))
    assert {f"{MODULE}.{line}" for line in expected} <= lines


def test_a_resource_that_terraform_would_forget_is_refused() -> None:
    [line] = told("forget", deletes=OLD)[:1]
    assert line == (
        'module.old.aws_autoscaling_policy.this["r000001/cpu"]: remove, '
        "the module has no such resource any more"
    )


def test_another_releases_create_refuses_a_launch() -> None:
    third = frozenset({"r000003"})
    policy = f"{MODULE}.aws_autoscaling_policy.this"
    assert told("other-create", creates=third) == (
        f'{policy}["r000002/net"]: create',
        f'{policy}["r000001/net"]: create',
    )


def test_an_import_is_of_a_release_that_is_to_be_made() -> None:
    assert told("adopt", creates=NEW) == ()
    group_told = f'{MODULE}.{GROUP}.this["r000002"]: update with an import'
    assert told("adopt") == (f'{MODULE}.{TEMPLATE}.this["r000002"]: import', group_told)


def test_an_adoption_holds_its_addresses_and_nothing_else() -> None:
    planned = said("adopt").planned
    both = frozenset(each.address for each in planned)
    assert adoption_breaches(planned, both) == ()
    one = frozenset({f'{MODULE}.{TEMPLATE}.this["r000002"]'})
    assert adoption_breaches(planned, one) == (
        f'{MODULE}.{GROUP}.this["r000002"]: update with an import',
    )
    three = both | {f'{MODULE}.{GROUP}.this["r000003"]'}
    assert adoption_breaches(planned, three) == (f'{MODULE}.{GROUP}.this["r000003"]: not imported',)
    made = (*planned, template("r000003"), change("data.aws_ami.one", "read"))
    assert adoption_breaches(made, both) == (f'{MODULE}.{TEMPLATE}.this["r000003"]: create',)


def test_an_adoption_may_not_replace_what_it_imports() -> None:
    found = group("r000002", "replace", imports=True)
    assert adoption_breaches([found], frozenset({found.address})) == (
        f"{found.address}: replace with an import",
        f"{found.address}: not imported",
    )


def test_a_launch_that_makes_only_a_part_is_refused_unless_the_rest_stands() -> None:
    assert breaches([template("r000002")], creates=NEW, deletes=NONE) == (
        "r000002: no aws_autoscaling_group would be made",
    )
    assert breaches([group("r000002")], creates=NEW, deletes=NONE) == (
        "r000002: no aws_launch_template would be made",
    )
    rest = [template("r000002", "noop"), group("r000002")]
    assert breaches(rest, creates=NEW, deletes=NONE) == ()
    assert len(breaches([], creates=NEW, deletes=NONE)) == 2


def test_a_policy_is_no_group() -> None:
    policy = change(f'{MODULE}.aws_autoscaling_policy.this["r000002/aws_autoscaling_group"]')
    assert len(breaches([policy], creates=NEW, deletes=NONE)) == 2


def test_a_retirement_that_leaves_something_is_refused() -> None:
    left = [group("r000001", "noop"), template("r000001", "delete"), group("r000002", "noop")]
    assert breaches(left, creates=NONE, deletes=OLD) == (
        f'{MODULE}.{GROUP}.this["r000001"]: would not be deleted',
    )
    assert breaches([], creates=NONE, deletes=OLD) == ()


def test_a_deposed_object_is_known_by_its_address_that_comes_twice() -> None:
    gone = group("r000001", "delete")
    twice = [template("r000001", "delete"), gone, gone]
    assert breaches(twice, creates=NONE, deletes=OLD) == (
        f'{MODULE}.{GROUP}.this["r000001"]: a deposed object',
    )


def test_reading_data_is_no_change_and_an_unknown_action_is_one() -> None:
    whole = [template("r000002"), group("r000002")]
    data = change('module.release.data.aws_ami.this["r000001"]', "read")
    assert breaches([*whole, data], creates=NEW, deletes=NONE) == ()
    odd = replace(data, address=group("r000002").address + ".x", action="transmogrify")
    assert breaches([*whole, odd], creates=NEW, deletes=NONE) == (f"{odd.address}: transmogrify",)


def test_a_resource_without_a_release_in_its_address_is_nobodys() -> None:
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
def test_an_address_tells_the_release_and_the_kind(
    address: str, releases: set[str], kind: str
) -> None:
    assert releases_of(address) == releases
    assert kind_of(address) == kind
