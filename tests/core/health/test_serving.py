from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.health.observation import Observation, ObservedGroup, Target
from pipeline.core.health.serving import Condition, Trouble, condition_of, scale
from tests.ui.status_examples import (
    ARN,
    BALANCERS,
    BOTH,
    TARGET_GROUP,
    group,
    instance,
    observation,
    targets,
)

GROUP = "web-production-r000124"
SERVES = group(124, BOTH)


def unhealthy(count: int) -> Observation:
    """Return an observation in which so many of the three members are unhealthy."""
    bad = {instance(124, index) for index in range(count)}
    seen = targets(SERVES)
    found = {id_: replace(each, state="unhealthy") for id_, each in seen[ARN].items() if id_ in bad}
    return observation(SERVES, targets={**seen, ARN: {**seen[ARN], **found}})


def condition(seen: Observation) -> Condition:
    return condition_of(GROUP, seen, BALANCERS)


@pytest.mark.parametrize(
    ("seen", "trouble", "what"),
    [
        (observation(SERVES), None, "3 of 3 members healthy"),
        (unhealthy(1), None, "2 of 3 members healthy"),
        (unhealthy(2), Trouble.UNHEALTHY, "1 of 3 members healthy"),
        (observation(), Trouble.MISSING, "its group does not exist"),
        (observation(unreadable=("x",)), Trouble.UNREADABLE, "its group is unreadable"),
        (
            observation(group(124, BOTH, status="Delete in progress")),
            Trouble.DELETED,
            "its group is being deleted (Delete in progress)",
        ),
        (
            observation(group(124, BOTH[:1])),
            Trouble.DETACHED,
            "not attached to web-tg, 0 of 3 members healthy",
        ),
        (
            observation(group(124, BOTH, desired=0, minimum=0, members=())),
            Trouble.EMPTY,
            "scaled to zero: 0 instances",
        ),
        (
            observation(SERVES, targets={}, unreadable=("x",)),
            Trouble.UNREADABLE,
            "its health in web-elb, web-tg is unreadable",
        ),
    ],
)
def test_a_group_serves_only_if_aws_shows_it(
    seen: Observation, trouble: Trouble | None, what: str
) -> None:
    found = condition(seen)
    assert (found.trouble, found.what) == (trouble, what)


def test_a_group_without_its_load_balancer_does_not_serve() -> None:
    found = condition_of(GROUP, observation(SERVES), BALANCERS[:1], (TARGET_GROUP,))
    assert (found.trouble, found.what) == (Trouble.NO_BALANCER, "web-tg does not exist")


def test_a_member_that_drains_from_a_classic_load_balancer_is_not_healthy() -> None:
    leaving = "Instance deregistration currently in progress."
    states = {
        each.id: Target(id=each.id, state="InService", description=leaving)
        for each in SERVES.members
    }
    seen = observation(SERVES)
    seen = replace(seen, targets={**seen.targets, "web-elb": states})
    assert condition(seen).trouble is Trouble.UNHEALTHY


def test_a_group_with_fewer_members_than_desired_is_not_complete() -> None:
    assert condition(observation(SERVES)).is_complete
    assert not condition(observation(group(124, BOTH, desired=4))).is_complete


@pytest.mark.parametrize(
    ("seen", "sizes"),
    [
        (group(124, minimum=0, maximum=6), "--min-size 2 --desired-capacity 3"),
        (group(124, minimum=0, maximum=1), "--min-size 2 --desired-capacity 3 --max-size 3"),
    ],
)
def test_a_group_is_scaled_within_its_maximum(seen: ObservedGroup, sizes: str) -> None:
    assert scale("eu-central-1", seen, minimum=2, desired=3) == (
        "aws autoscaling update-auto-scaling-group --region eu-central-1 "
        f"--auto-scaling-group-name {GROUP} {sizes}"
    )
