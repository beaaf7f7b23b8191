from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.health.assessment import (
    all_healthy,
    all_in_service,
    deleted,
    drained,
    stopped,
)
from pipeline.core.health.members import has_healthy_target, healthy_members, newly_unhealthy
from pipeline.core.health.observation import (
    Balancer,
    Member,
    Observation,
    ObservedGroup,
    Target,
)
from pipeline.core.health.verdict import Failed, Healthy, Progressing
from tests.core.health.observations import (
    GREEN,
    NO_AMI,
    NO_CAPACITY,
    OLD,
    WEB,
    a_group,
    a_member,
    an_observation,
    expecting,
    healthy,
    in_service,
    in_turn,
    members,
    refused,
)

ABC = ("i-a", "i-b", "i-c")
ALL = members(*ABC)
GOOD = an_observation(a_group(*ALL), web=healthy(*ABC), old=in_service(*ABC))
UNREAD = replace(GOOD, unreadable=("ThrottlingException: Rate exceeded",))


# all_in_service


def test_a_group_is_in_service_if_every_member_is_on_its_own_template() -> None:
    assert all_in_service(expecting(), [GOOD]) == Healthy()


def pending(*ids: str) -> tuple[Member, ...]:
    return members(*ids, lifecycle="Pending")


NOT_IN_SERVICE: list[Any] = [
    (a_group(), "0 of 3 members InService"),
    (a_group(*members("i-a", "i-b"), *pending("i-c")), "2 of 3 members InService, 1 Pending"),
    (a_group(*members("i-a"), *pending("i-b"), a_member("i-c", lifecycle="Pending:Wait")),
     "1 of 3 members InService, 1 Pending, 1 Pending:Wait"),
    (a_group(*ALL[:2], a_member("i-c", health="Unhealthy")),
     "2 of 3 members InService, 1 Unhealthy"),
    (a_group(*ALL[:2], a_member("i-c", version="7")),
     "2 of 3 members InService, 1 from lt-2 version 7"),
    (a_group(*ALL, a_member("i-d", template="lt-1")),
     "3 of 3 members InService, 1 from lt-1 version 1"),
    (a_group(*members(*ABC, template="", version=""), template="", version=""),
     "0 of 3 members InService, 3 from no launch template version -"),
    (a_group(*ALL, *pending("i-d")), "3 of 3 members InService, 1 Pending"),
    (a_group(*ALL[:2], a_member("i-c", lifecycle="Terminating:Wait")), "2 of 3 members InService"),
    (a_group(*ALL[:2], a_member("i-c", lifecycle="Standby")), "2 of 3 members InService"),
    (a_group(desired=0), f"the desired capacity of {GREEN} is 0"),
    (a_group(*ALL, desired=0), f"the desired capacity of {GREEN} is 0"),
    (a_group(*ALL[:2], suspended=frozenset({"Launch"})),
     "2 of 3 members InService, Launch is suspended"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "reason"), NOT_IN_SERVICE)
def test_a_group_that_is_not_in_service_reports_its_progress(group: Any, reason: str) -> None:
    assert all_in_service(expecting(), [an_observation(group)]) == Progressing(reason=reason)


def test_terminating_and_standby_members_do_not_delay_the_others() -> None:
    leaving = a_member("i-d", lifecycle="Terminating")
    aside = a_member("i-e", lifecycle="Standby", health="Unhealthy")
    assert all_in_service(expecting(), [an_observation(a_group(*ALL, leaving, aside))]) == Healthy()


def test_a_group_smaller_than_the_serving_one_is_not_in_service() -> None:
    few = "3 of 5 members InService, the desired capacity is 3"
    assert all_in_service(expecting(least=5), [GOOD]) == Progressing(reason=few)
    more = an_observation(a_group(*ALL, *members("i-d", "i-e")))
    assert all_in_service(expecting(least=5), [more]) == Healthy()


def test_without_an_observation_or_a_description_a_group_is_progressing() -> None:
    assert all_in_service(expecting(), []) == Progressing(reason="no observation yet")
    assert all_in_service(expecting(), [an_observation()]) == Progressing(
        reason=f"{GREEN} is not described yet"
    )
    missing = Progressing(reason=f"{GREEN} is not described any more")
    assert all_in_service(expecting(), [GOOD, an_observation()]) == missing


@pytest.mark.parametrize("observation", [UNREAD, replace(UNREAD, groups={}, targets={})])
def test_an_incomplete_observation_is_neither_good_nor_bad(
    observation: Observation,
) -> None:
    expected = Progressing(reason="could not be read: ThrottlingException: Rate exceeded")
    assert all_in_service(expecting(), [GOOD, observation]) == expected
    assert all_healthy(expecting(WEB), [GOOD, GOOD, observation], in_a_row=1) == expected
    assert drained(expecting(WEB), [observation]) == expected
    assert deleted([GREEN], [an_observation(), an_observation(), observation]) == expected


def test_a_group_that_aws_deletes_has_failed() -> None:
    observation = an_observation(a_group(*ALL, status="Delete in progress"))
    expected = Failed(reason=f"AWS says of {GREEN}: Delete in progress")
    assert all_in_service(expecting(), [observation]) == expected
    assert all_healthy(expecting(), [observation], in_a_row=1) == expected


def test_a_launch_error_that_may_recover_is_reported_and_waited_for() -> None:
    observation = an_observation(a_group(*ALL[:2]), web=(), activities=[refused(1, NO_CAPACITY)])
    expected = Progressing(reason=f"2 of 3 members InService; a launch failed: {NO_CAPACITY}")
    assert all_in_service(expecting(), [observation]) == expected
    assert all_healthy(expecting(WEB), [observation], in_a_row=1) == expected


def test_a_permanent_launch_error_ends_the_wait_at_once() -> None:
    observation = an_observation(a_group(*ALL[:2]), web=(), activities=[refused(1, NO_AMI)])
    assert all_in_service(expecting(), [observation]) == Failed(reason=NO_AMI)
    assert all_healthy(expecting(WEB), [observation], in_a_row=1) == Failed(reason=NO_AMI)


# all_healthy


def test_a_group_is_healthy_after_enough_checks_in_every_balancer() -> None:
    both = expecting(WEB, OLD)
    assert all_healthy(both, [GOOD, GOOD, GOOD], in_a_row=3) == Healthy()
    expected = Progressing(reason="every member is healthy, 2 of 3 checks in a row")
    assert all_healthy(both, [GOOD, GOOD], in_a_row=3) == expected


def a_target(id_: str, state: str, reason: str = "", description: str = "") -> Target:
    return Target(id=id_, state=state, reason=reason, description=description)


def classic(id_: str, reason: str, description: str, state: str = "OutOfService") -> Target:
    return a_target(id_, state, reason, description)


LEAVES = "Instance deregistration currently in progress."
FAILED = (
    "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."
)
CODES = "Health checks failed with these codes: [500]"
NOT_HEALTHY: list[Any] = [
    (WEB, a_target("i-a", "initial", "Elb.RegistrationInProgress", "Target registration is ..."),
     "i-a is initial (Elb.RegistrationInProgress)"),
    (WEB, a_target("i-a", "initial", "Elb.InitialHealthChecking"),
     "i-a is initial (Elb.InitialHealthChecking)"),
    (WEB, a_target("i-a", "unhealthy", "Target.ResponseCodeMismatch", CODES),
     f"i-a is unhealthy (Target.ResponseCodeMismatch, {CODES})"),
    (WEB, a_target("i-a", "unhealthy.draining", "Target.FailedHealthChecks"),
     "i-a is unhealthy.draining (Target.FailedHealthChecks)"),
    (WEB, a_target("i-a", "draining", "Target.DeregistrationInProgress"),
     "i-a is draining (Target.DeregistrationInProgress)"),
    (WEB, a_target("i-a", "unavailable", "Elb.InternalError"),
     "i-a is unavailable (Elb.InternalError)"),
    (WEB, a_target("i-a", "unused", "Target.NotRegistered"),
     "i-a is unused (Target.NotRegistered)"),
    (WEB, a_target("i-a", "unused", "Target.InvalidState"), "i-a is unused (Target.InvalidState)"),
    (WEB, a_target("i-a", "InService"), "i-a is InService"),
    (WEB, None, "i-a is not listed"),
    (OLD, None, "i-a is not listed"),
    (OLD, classic("i-a", "ELB", "Instance registration is still in progress."),
     "i-a is OutOfService (ELB, Instance registration is still in progress.)"),
    (OLD, classic("i-a", "Instance", FAILED), f"i-a is OutOfService (Instance, {FAILED})"),
    (OLD, classic("i-a", "N/A", LEAVES, "InService"), f"i-a is InService ({LEAVES})"),
    (OLD, classic("i-a", "N/A", "A transient error occurred.", "Unknown"),
     "i-a is Unknown (A transient error occurred.)"),
    (OLD, a_target("i-a", "healthy"), "i-a is healthy"),
]  # fmt: skip


@pytest.mark.parametrize(("balancer", "target", "expected"), NOT_HEALTHY)
def test_one_member_that_is_unhealthy_in_one_balancer_is_waited_for(
    balancer: Balancer, target: Target | None, expected: str
) -> None:
    good = {WEB: healthy(*ABC), OLD: in_service(*ABC)}
    good[balancer] = {id_: each for id_, each in good[balancer].items() if id_ != "i-a"}
    good[balancer] |= {"i-a": target} if target else {}
    observation = an_observation(a_group(*ALL), web=good[WEB], old=good[OLD])
    reason = f"2 of 3 healthy in {balancer.name}: {expected}"
    assert all_healthy(expecting(WEB, OLD), [observation, observation], in_a_row=1) == Progressing(
        reason=reason
    )


def test_in_a_balancer_that_was_not_read_no_member_is_healthy() -> None:
    observation = an_observation(a_group(*ALL), web=healthy(*ABC))
    states = "i-a is not listed, i-b is not listed, i-c is not listed"
    expected = Progressing(reason=f"0 of 3 healthy in web-classic: {states}")
    assert all_healthy(expecting(WEB, OLD), [observation], in_a_row=1) == expected


def test_unhealthy_members_are_reported_on_one_line_with_three_names_each() -> None:
    five = ("i-a", "i-b", "i-c", "i-d", "i-e")
    group = a_group(*members(*five), desired=5, suspended=frozenset({"AddToLoadBalancer"}))
    observation = an_observation(group, web={}, old=in_service(*five[1:]))
    assert all_healthy(expecting(WEB, OLD), [observation], in_a_row=1) == Progressing(
        reason="0 of 5 healthy in web-production: i-a is not listed, i-b is not listed, "
        "i-c is not listed, 2 more, AddToLoadBalancer is suspended; "
        "4 of 5 healthy in web-classic: i-a is not listed, AddToLoadBalancer is suspended"
    )


OTHER_ZONE = (
    "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route "
    "traffic to."
)
NO_LISTENER = "Target group is not configured to receive traffic from the load balancer"
NEVER: list[Any] = [
    (WEB, a_target("i-b", "unused", "Target.NotInUse", NO_LISTENER),
     f"in web-production i-b is unused (Target.NotInUse, {NO_LISTENER})"),
    (WEB, a_target("i-b", "unused", "Target.IpUnusable"),
     "in web-production i-b is unused (Target.IpUnusable)"),
    (WEB, a_target("i-b", "unused"), "in web-production i-b is unused"),
    (WEB, a_target("i-b", "unavailable", "Target.HealthCheckDisabled"),
     "in web-production i-b is unavailable (Target.HealthCheckDisabled)"),
    (OLD, classic("i-b", "ELB", OTHER_ZONE),
     f"in web-classic i-b is OutOfService (ELB, {OTHER_ZONE})"),
]  # fmt: skip


@pytest.mark.parametrize(("balancer", "target", "expected"), NEVER)
def test_a_target_without_health_checks_ends_the_wait_at_once(
    balancer: Balancer, target: Target, expected: str
) -> None:
    good = {WEB: healthy("i-a"), OLD: in_service("i-a")}
    group = a_group(*members("i-a", "i-b"), *pending("i-c"))
    listed = good[balancer] | {"i-b": target}
    observation = an_observation(group, web=listed if balancer == WEB else {}, old=listed)
    assert all_healthy(expecting(balancer), [observation], in_a_row=1) == Failed(reason=expected)


def test_an_unused_target_that_is_no_member_does_not_matter() -> None:
    stray = a_target("i-x", "unused", "Target.NotInUse")
    observation = an_observation(a_group(*ALL), web=healthy(*ABC) | {"i-x": stray})
    assert all_healthy(expecting(WEB), [observation], in_a_row=1) == Healthy()


def flapped(observation: Observation, id_: str) -> Observation:
    unhealthy = {id_: a_target(id_, "unhealthy", "Target.Timeout")}
    return replace(
        observation, targets={**observation.targets, WEB.identifier: healthy(*ABC) | unhealthy}
    )


BROKEN_ROWS: list[Any] = [
    ("a flap", flapped(GOOD, "i-a")),
    ("an incomplete observation", UNREAD),
    ("an observation without the group", an_observation()),
    ("another member", an_observation(a_group(*members("i-a", "i-b", "i-x")),
                              web=healthy("i-a", "i-b", "i-x"))),
    ("one member more", an_observation(a_group(*members(*ABC, "i-x")), web=healthy(*ABC, "i-x"))),
    ("one member less", an_observation(a_group(*ALL[:2], desired=2), web=healthy(*ABC))),
]  # fmt: skip


@pytest.mark.parametrize(("why", "between"), BROKEN_ROWS)
def test_the_count_of_checks_begins_again_after(why: str, between: Observation) -> None:
    expected = Progressing(reason="every member is healthy, 2 of 3 checks in a row")
    observations = in_turn(GOOD, GOOD, GOOD, between, GOOD, GOOD)
    assert all_healthy(expecting(WEB), observations, in_a_row=3) == expected, why
    assert all_healthy(expecting(WEB), [*observations, GOOD], in_a_row=3) == Healthy()


def test_a_group_smaller_than_the_serving_one_is_not_healthy() -> None:
    expected = Progressing(reason="3 of 4 members InService, the desired capacity is 3")
    assert all_healthy(expecting(WEB, least=4), [GOOD], in_a_row=1) == expected


def test_a_group_without_a_member_is_never_healthy() -> None:
    empty = an_observation(a_group(desired=0), web={})
    expected = Progressing(reason=f"the desired capacity of {GREEN} is 0")
    assert all_healthy(expecting(WEB), [empty] * 5, in_a_row=1) == expected
    assert all_healthy(expecting(), [empty] * 5, in_a_row=1) == expected


def test_without_a_balancer_a_group_in_service_is_healthy() -> None:
    observation = an_observation(a_group(*ALL))
    assert all_healthy(expecting(), [observation, observation], in_a_row=2) == Healthy()
    expected = Progressing(reason="every member is healthy, 1 of 2 checks in a row")
    assert all_healthy(expecting(), [observation], in_a_row=2) == expected


# drained


def test_a_group_has_drained_if_no_member_is_a_target_and_nothing_is_attached() -> None:
    observation = an_observation(a_group(*ALL), web=healthy("i-x"), old={})
    assert drained(expecting(WEB, OLD), [GOOD, observation]) == Healthy()


DRAINING = a_target("i-a", "draining", "Target.DeregistrationInProgress")
NOT_DRAINED: list[Any] = [
    ({"web": [DRAINING]},
     "1 still in web-production: i-a is draining (Target.DeregistrationInProgress)"),
    ({"web": healthy("i-b", "i-a", "i-c", "i-x")},
     "3 still in web-production: i-a is healthy, i-b is healthy, i-c is healthy"),
    ({"web": [a_target("i-a", "unused", "Target.NotInUse")]},
     "1 still in web-production: i-a is unused (Target.NotInUse)"),
    ({"old": [classic("i-c", "N/A", LEAVES, "InService")]},
     f"1 still in web-classic: i-c is InService ({LEAVES})"),
    ({"web": [DRAINING], "old": in_service("i-a")},
     ("1 still in web-production: i-a is draining (Target.DeregistrationInProgress); "
      "1 still in web-classic: i-a is InService")),
    ({"web": None}, "the targets of web-production were not read"),
]  # fmt: skip


@pytest.mark.parametrize(("listed", "reason"), NOT_DRAINED)
def test_a_member_that_is_still_a_target_has_not_drained(
    listed: dict[str, Any], reason: str
) -> None:
    observation = an_observation(a_group(*ALL), **{"web": {}, "old": {}, **listed})
    assert drained(expecting(WEB, OLD), [observation]) == Progressing(reason=reason)


def test_members_of_earlier_observations_must_drain_even_after_the_group_is_deleted() -> None:
    still = Progressing(
        reason="1 still in web-production: i-a is draining (Target.DeregistrationInProgress)"
    )
    for group in (a_group(), None):
        assert (
            drained(expecting(WEB), in_turn(GOOD, an_observation(group, web=[DRAINING]))) == still
        )
    assert drained(expecting(WEB), in_turn(UNREAD, an_observation(web=[DRAINING]))) == still
    assert drained(expecting(WEB), in_turn(GOOD, an_observation(web=healthy("i-x")))) == Healthy()


def test_a_group_that_is_attached_has_not_drained_even_without_a_member() -> None:
    group = a_group(desired=0, attached=frozenset({OLD.identifier}))
    expected = Progressing(reason=f"{GREEN} is still attached to web-classic")
    assert drained(expecting(WEB, OLD), [an_observation(group, web={}, old={})]) == expected
    other = replace(group, attached=frozenset({"arn:something/else"}))
    assert drained(expecting(WEB, OLD), [an_observation(other, web={}, old={})]) == Healthy()


def test_a_group_that_never_existed_has_drained() -> None:
    assert drained(expecting(WEB, OLD), [an_observation(web=healthy("i-x"))]) == Healthy()
    assert drained(expecting(WEB), []) == Progressing(reason="no observation yet")


def test_a_target_that_is_listed_but_not_registered_has_drained() -> None:
    none = a_target("i-a", "unused", "Target.NotRegistered")
    out = classic("i-a", "Instance", "Instance is not currently registered with the LoadBalancer.")
    observation = an_observation(a_group(*ALL), web=[none], old=[out])
    assert drained(expecting(WEB, OLD), [observation]) == Healthy()


# deleted


def test_groups_are_deleted_if_two_consecutive_observations_lack_them() -> None:
    assert deleted([GREEN], in_turn(GOOD, an_observation(), an_observation())) == Healthy()
    one = Progressing(reason=f"{GREEN} is gone (confirming once more)")
    assert deleted([GREEN], in_turn(GOOD, an_observation())) == one
    assert deleted([GREEN], in_turn(an_observation())) == one
    assert deleted([GREEN], in_turn(an_observation(), UNREAD, an_observation())) == one
    assert (
        deleted(
            [GREEN],
            in_turn(
                an_observation(), replace(an_observation(), unreadable=("x",)), an_observation()
            ),
        )
        == one
    )


def test_a_group_that_is_being_deleted_is_waited_for() -> None:
    observation = an_observation(a_group(status="Delete in progress"))
    expected = Progressing(reason=f"{GREEN}: Delete in progress")
    assert (
        deleted(["other", GREEN], in_turn(an_observation(), an_observation(), observation))
        == expected
    )
    assert deleted([GREEN], [GOOD]) == Progressing(reason=f"{GREEN}: still exists")


def test_without_groups_one_observation_is_enough() -> None:
    assert deleted([], [GOOD]) == Healthy()
    assert deleted([], []) == Progressing(reason="no observation yet")


# stopped


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (a_group(*ALL, maximum=4), f"the maximum size of {GREEN} is still 4"),
        (
            a_group(*ALL[:1], a_member("i-b", lifecycle="Terminating:Wait"), maximum=0, desired=0),
            (
                f"2 members of {GREEN} are left: 1 InService, "
                "1 Terminating:Wait (held by a termination hook)"
            ),
        ),
        (
            a_group(a_member("i-a", protected=True), maximum=0, desired=0),
            f"1 members of {GREEN} are left: 1 InService (protected from scale-in)",
        ),
    ],
)
def test_workers_have_not_stopped_while_one_is_left(group: ObservedGroup, reason: str) -> None:
    assert stopped(GREEN, [an_observation(group)]) == Progressing(reason=reason)


def test_workers_have_stopped_once_their_group_is_empty_or_gone() -> None:
    empty = an_observation(a_group(maximum=0, desired=0))
    assert stopped(GREEN, [empty]) == stopped(GREEN, [an_observation()]) == Healthy()
    unread = replace(empty, unreadable=("ThrottlingException: Rate exceeded",))
    assert isinstance(stopped(GREEN, [unread]), Progressing)


def test_a_worker_is_healthy_if_auto_scaling_says_so() -> None:
    good = an_observation(a_group(*ALL))
    assert all_healthy(expecting(), [good, good], in_a_row=2) == Healthy()
    bad = an_observation(a_group(*ALL[:2], a_member("i-c", health="Unhealthy")))
    assert isinstance(all_healthy(expecting(), [bad], in_a_row=1), Progressing)
    assert healthy_members(bad.groups[GREEN], (), bad) == {"i-a", "i-b"}
    assert has_healthy_target(GREEN, (), bad)
    known = {"i-c"}
    assert newly_unhealthy(expecting(), bad, known) == "i-c is Unhealthy in Auto Scaling"
    assert newly_unhealthy(expecting(), good, known) == ""
