from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.health.observation import Balancer, Member, Target
from pipeline.ui import icons
from pipeline.ui.member_status import (
    icon_of,
    member_statuses,
    named,
    state_of,
    tally,
    targets_of,
)
from tests.ui.status_examples import ARN, BALANCERS, BOTH, ELB, group, observation, targets

ONE = group(1, BOTH).members[0]
DEREGISTERING = "Instance deregistration currently in progress."


def status_of(member: Member, target: Target | None, *wanted: Balancer) -> tuple[str, str]:
    one = group(1, ("web-elb",), members=(member,))
    listed = {"web-elb": {member.id: target} if target else {}}
    (found,) = member_statuses(one, observation(one, targets=listed), wanted)
    assert found.ids == (member.id,)
    return found.icon, found.text


def target(state: str, reason: str = "", description: str = "") -> Target:
    return Target(id=ONE.id, state=state, reason=reason, description=description)


@pytest.mark.parametrize(
    ("observed", "icon", "state"),
    [
        (target("healthy"), icons.DONE, "healthy"),
        (target("initial", "Target.InitialHealthChecks"), icons.STARTING, "initial"),
        (target("unavailable"), icons.STARTING, "unavailable"),
        (target("unhealthy", "Target.Timeout"), icons.FAILED, "unhealthy"),
        (target("unused", "Target.NotInUse"), icons.FAILED, "unused"),
        (target("draining"), icons.STOPPING, "draining"),
        (target("unhealthy.draining"), icons.STOPPING, "draining"),
        (target("InService", "N/A", "N/A"), icons.DONE, "InService"),
        (target("InService", "N/A", DEREGISTERING), icons.STOPPING, "draining"),
        (target("OutOfService", "Instance", "has failed at least"), icons.FAILED, "OutOfService"),
        (
            target("OutOfService", "ELB", "Instance registration is still in progress."),
            icons.STARTING,
            "OutOfService",
        ),
        (target("Unknown", "ELB", "A transient error occurred."), icons.STARTING, "Unknown"),
    ],
)
def test_each_state_of_a_target_has_its_icon(observed: Target, icon: str, state: str) -> None:
    assert (icon_of(observed), state_of(observed)) == (icon, state)


@pytest.mark.parametrize(
    ("member", "observed", "icon", "text"),
    [
        (ONE, target("InService"), icons.DONE, "healthy in web-elb"),
        (ONE, None, icons.STARTING, "not a target of web-elb"),
        (replace(ONE, lifecycle="Pending:Wait"), None, icons.STARTING, "Pending:Wait"),
        (replace(ONE, health="Unhealthy"), None, icons.FAILED, "InService, Unhealthy"),
        (replace(ONE, lifecycle="Terminating"), None, icons.STOPPING, "Terminating"),
        (replace(ONE, lifecycle="Standby"), None, icons.STOPPING, "Standby"),
        (
            replace(ONE, health="Unhealthy"),
            target("OutOfService", "Instance", "has failed."),
            icons.FAILED,
            "InService, Unhealthy; OutOfService in web-elb: Instance: has failed",
        ),
    ],
)
def test_the_status_of_a_member_is_its_worst_state(
    member: Member, observed: Target | None, icon: str, text: str
) -> None:
    found_icon, found = status_of(member, observed, ELB)
    assert found_icon == icon
    assert found.removesuffix("; not a target of web-elb") == text


def test_a_member_of_a_detached_group_is_not_a_target_or_is_draining() -> None:
    assert status_of(ONE, None) == (icons.DETACHED, "in service, not a target")
    assert status_of(ONE, target("draining", "Target.DeregistrationInProgress")) == (
        icons.STOPPING,
        "draining in web-elb: Target.DeregistrationInProgress",
    )


def test_an_unreadable_load_balancer_is_reported() -> None:
    observed_group = group(1, BOTH)
    (found,) = member_statuses(observed_group, observation(observed_group, targets={}), BALANCERS)
    assert found.icon == icons.UNKNOWN
    assert found.text == "web-elb is unreadable; web-tg is unreadable"


def test_members_are_grouped_by_status_with_the_worst_first() -> None:
    observed_group = group(1, BOTH)
    states = {
        observed_group.members[2].id: replace(target("unhealthy"), id=observed_group.members[2].id)
    }
    found = member_statuses(
        observed_group,
        observation(observed_group, targets=targets(observed_group, states=states)),
        BALANCERS,
    )
    assert [(each.icon, len(each.ids)) for each in found] == [(icons.FAILED, 1), (icons.DONE, 2)]


def test_the_name_of_a_target_group_comes_from_its_arn_by_default() -> None:
    assert (named(ARN), named("web-elb"), named(ARN, BALANCERS)) == ("web-tg", "web-elb", "web-tg")


def test_members_are_counted_by_state() -> None:
    observed_group = group(1, ("web-elb",))
    unhealthy = replace(observed_group.members[0], health="Unhealthy")
    assert tally(replace(observed_group, members=(unhealthy, *observed_group.members[1:]))) == (
        "2 InService, 1 InService Unhealthy"
    )
    assert tally(replace(observed_group, members=())) == "no members"
    assert targets_of(observed_group, observation(observed_group), "web-elb") == "3 InService"
    assert targets_of(observed_group, observation(observed_group), ARN) == ""
    none: dict[str, object] = {"web-elb": {}}
    assert (
        targets_of(observed_group, observation(observed_group, targets=none), "web-elb")
        == "3 not listed"
    )


def test_a_load_balancer_that_was_not_read_says_nothing_about_its_targets() -> None:
    attached, detached = group(1, ("web-elb",)), group(1)
    assert targets_of(attached, observation(attached, targets={}), "web-elb") == "not read yet"
    assert targets_of(detached, observation(detached, targets={}), "web-elb") == ""


def test_a_worker_needs_no_load_balancer() -> None:
    one = group(1, (), members=(ONE,))
    (found,) = member_statuses(one, observation(one, targets={}), (), worker=True)
    assert (found.icon, found.text) == (icons.DONE, "in service")
    (found,) = member_statuses(one, observation(one, targets={}), ())
    assert (found.icon, found.text) == (icons.DETACHED, "in service, not a target")
