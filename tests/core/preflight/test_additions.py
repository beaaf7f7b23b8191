"""What people attached to the serving group, and the next release will not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.preflight.additions import (
    HOOKS,
    NOTIFICATIONS,
    POLICIES,
    SCHEDULES,
    Attached,
    Given,
    addition_findings,
)
from pipeline.core.preflight.finding import Finding

GROUP = "web-staging-r000001"
MODULE_TAGS = frozenset({"Name", "ami-pipeline:app", "team"})
ATTACHED = Attached(
    kinds={
        SCHEDULES: frozenset({"night"}),
        POLICIES: frozenset({"cpu"}),
        HOOKS: frozenset({"warm-up"}),
        NOTIFICATIONS: frozenset(),
    },
    tags=MODULE_TAGS,
)
GIVEN = Given(
    planned={SCHEDULES: frozenset({"night"}), POLICIES: frozenset({"cpu"})},
    hooks=frozenset({"warm-up"}),
    tags=frozenset({"team"}),
)


def found(attached: Attached = ATTACHED, given: Given = GIVEN) -> str:
    """Return what the next release will not have, as the one notice lists it."""
    notices = list(addition_findings(GROUP, attached, given))
    assert len(notices) <= 1
    assert not any(each.blocking for each in notices)
    start = "has what the next release will not have: "
    return notices[0].what.removeprefix(start) if notices else ""


def with_more(kind: str, *names: str) -> Attached:
    more = ATTACHED.kinds[kind] | frozenset(names)
    return replace(ATTACHED, kinds={**ATTACHED.kinds, kind: more})


def test_what_the_module_gives_is_no_addition() -> None:
    assert found() == ""


@pytest.mark.parametrize(
    ("attached", "what"),
    [
        (with_more(SCHEDULES, "sale", "end"), "scheduled actions end, sale"),
        (with_more(POLICIES, "queue"), "scaling policy queue"),
        (with_more(POLICIES, "queue", "memory"), "scaling policies memory, queue"),
        (with_more(HOOKS, "drain"), "lifecycle hook drain"),
        (with_more(NOTIFICATIONS, "arn:aws:sns:x:1:ops"), "notification arn:aws:sns:x:1:ops"),
        (replace(ATTACHED, suspended=frozenset({"AZRebalance"})), "suspended process AZRebalance"),
        (
            replace(ATTACHED, suspended=frozenset({"AZRebalance", "AlarmNotification"})),
            "suspended processes AZRebalance, AlarmNotification",
        ),
        (replace(ATTACHED, tags=MODULE_TAGS | {"cost", "aws:x"}), "tag cost"),
    ],
    ids=[
        "schedules",
        "a policy",
        "policies",
        "a hook",
        "a notification",
        "a process",
        "processes",
        "a tag",
    ],
)
def test_each_addition_is_named(attached: Attached, what: str) -> None:
    assert found(attached) == what


def test_all_additions_are_one_notice() -> None:
    attached = replace(
        with_more(SCHEDULES, "sale"), suspended=frozenset({"AZRebalance"}), tags=frozenset({"cost"})
    )
    [notice] = addition_findings(GROUP, attached, GIVEN)
    assert notice == Finding(
        where="server group web-staging-r000001",
        what="has what the next release will not have: scheduled action sale; "
        "suspended process AZRebalance; tag cost",
        remedy="add it to [terraform.inputs] or to your module, or to the new group afterwards",
        blocking=False,
    )


def test_a_key_of_another_module_need_not_be_the_name() -> None:
    keyed = replace(GIVEN, planned={SCHEDULES: frozenset({"0"}), POLICIES: frozenset({""})})
    assert found(given=keyed) == ""
    assert found(with_more(SCHEDULES, "sale"), keyed) == "scheduled actions night, sale"


def test_hooks_and_tags_of_another_module_are_not_known() -> None:
    unknown = replace(GIVEN, hooks=None, tags=None)
    attached = replace(with_more(HOOKS, "drain"), tags=frozenset({"cost"}))
    assert found(attached, unknown) == ""
