from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.health.observation import Balancer, Member, Target
from pipeline.ui import glyphs
from pipeline.ui.members import mark_of, named, standings, state_of, tally, targets_of
from tests.ui.status_examples import ARN, BALANCERS, BOTH, ELB, group, observation, targets

ONE = group(1, BOTH).members[0]
DEREGISTERING = "Instance deregistration currently in progress."


def standing(member: Member, target: Target | None, *wanted: Balancer) -> tuple[str, str]:
    one = group(1, ("web-elb",), members=(member,))
    listed = {"web-elb": {member.id: target} if target else {}}
    (found,) = standings(one, observation(one, targets=listed), wanted)
    assert found.ids == (member.id,)
    return found.mark, found.text


def target(state: str, reason: str = "", description: str = "") -> Target:
    return Target(id=ONE.id, state=state, reason=reason, description=description)


@pytest.mark.parametrize(
    ("seen", "mark", "state"),
    [
        (target("healthy"), glyphs.DONE, "healthy"),
        (target("initial", "Target.InitialHealthChecks"), glyphs.COMING, "initial"),
        (target("unavailable"), glyphs.COMING, "unavailable"),
        (target("unhealthy", "Target.Timeout"), glyphs.FAILED, "unhealthy"),
        (target("unused", "Target.NotInUse"), glyphs.FAILED, "unused"),
        (target("draining"), glyphs.LEAVING, "draining"),
        (target("unhealthy.draining"), glyphs.LEAVING, "draining"),
        (target("InService", "N/A", "N/A"), glyphs.DONE, "InService"),
        (target("InService", "N/A", DEREGISTERING), glyphs.LEAVING, "draining"),
        (target("OutOfService", "Instance", "has failed at least"), glyphs.FAILED, "OutOfService"),
        (
            target("OutOfService", "ELB", "Instance registration is still in progress."),
            glyphs.COMING,
            "OutOfService",
        ),
        (target("Unknown", "ELB", "A transient error occurred."), glyphs.COMING, "Unknown"),
    ],
)
def test_each_state_of_a_target_has_its_mark(seen: Target, mark: str, state: str) -> None:
    assert (mark_of(seen), state_of(seen)) == (mark, state)


@pytest.mark.parametrize(
    ("member", "seen", "mark", "text"),
    [
        (ONE, target("InService"), glyphs.DONE, "healthy in web-elb"),
        (ONE, None, glyphs.COMING, "not a target of web-elb"),
        (replace(ONE, lifecycle="Pending:Wait"), None, glyphs.COMING, "Pending:Wait"),
        (replace(ONE, health="Unhealthy"), None, glyphs.FAILED, "InService, Unhealthy"),
        (replace(ONE, lifecycle="Terminating"), None, glyphs.LEAVING, "Terminating"),
        (replace(ONE, lifecycle="Standby"), None, glyphs.LEAVING, "Standby"),
        (
            replace(ONE, health="Unhealthy"),
            target("OutOfService", "Instance", "has failed."),
            glyphs.FAILED,
            "InService, Unhealthy; OutOfService in web-elb: Instance: has failed",
        ),
    ],
)
def test_a_member_stands_as_its_worst(
    member: Member, seen: Target | None, mark: str, text: str
) -> None:
    found_mark, found = standing(member, seen, ELB)
    assert found_mark == mark
    assert found.removesuffix("; not a target of web-elb") == text


def test_a_member_of_a_dark_group_is_no_target_or_leaves() -> None:
    assert standing(ONE, None) == (glyphs.DARK, "in service, no target")
    assert standing(ONE, target("draining", "Target.DeregistrationInProgress")) == (
        glyphs.LEAVING,
        "draining in web-elb: Target.DeregistrationInProgress",
    )


def test_a_load_balancer_that_was_not_read_says_nothing_of_a_member() -> None:
    seen = group(1, BOTH)
    (found,) = standings(seen, observation(seen, targets={}), BALANCERS)
    assert found.mark == glyphs.UNKNOWN
    assert found.text == "web-elb could not be read; web-tg could not be read"


def test_the_worst_come_first_and_those_alike_together() -> None:
    seen = group(1, BOTH)
    states = {seen.members[2].id: replace(target("unhealthy"), id=seen.members[2].id)}
    found = standings(seen, observation(seen, targets=targets(seen, states=states)), BALANCERS)
    assert [(each.mark, len(each.ids)) for each in found] == [(glyphs.FAILED, 1), (glyphs.DONE, 2)]


def test_a_target_group_is_named_by_its_arn_where_nobody_names_it() -> None:
    assert (named(ARN), named("web-elb"), named(ARN, BALANCERS)) == ("web-tg", "web-elb", "web-tg")


def test_members_are_counted_by_state() -> None:
    seen = group(1, ("web-elb",))
    sick = replace(seen.members[0], health="Unhealthy")
    assert tally(replace(seen, members=(sick, *seen.members[1:]))) == (
        "2 InService, 1 InService Unhealthy"
    )
    assert tally(replace(seen, members=())) == "no members"
    assert targets_of(seen, observation(seen), "web-elb") == "3 InService"
    assert targets_of(seen, observation(seen), ARN) == ""
    assert targets_of(seen, observation(seen, targets={}), "web-elb") == "3 not listed"
