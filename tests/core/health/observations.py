"""Observations written by hand: a group, its members and their targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.core.health.assessment import Expected
from pipeline.core.health.observation import (
    Activity,
    Balancer,
    Member,
    Observation,
    ObservedGroup,
    Target,
)

GREEN = "web-production-r000002"
WEB = Balancer(kind="elbv2", identifier="arn:targetgroup/web/1", name="web-production")
OLD = Balancer(kind="elb", identifier="web-classic", name="web-classic")

ELB_FAILED = (
    "At 2026-01-01T10:05:00Z an instance was taken out of service in response to an ELB system "
    "health check failure."
)
REPLACED = (
    "At 2026-01-01T10:05:01Z an instance was launched in response to an unhealthy instance "
    "needing to be replaced."
)
SHRUNK = (
    "At 2026-01-01T10:05:00Z an instance was taken out of service in response to a difference "
    "between desired and actual capacity, shrinking the capacity from 3 to 2."
)
GREW = (
    "At 2026-01-01T10:00:00Z an instance was started in response to a difference between desired "
    "and actual capacity, increasing the capacity from 0 to 3."
)
NO_AMI = "The image id '[ami-1]' does not exist. Launching EC2 instance failed."
NO_CAPACITY = (
    "We currently do not have sufficient t3.micro capacity in the Availability Zone you requested "
    "(eu-central-1a). Launching EC2 instance failed."
)


def a_member(id_: str, **facts: Any) -> Member:
    own = {"lifecycle": "InService", "health": "Healthy", "template": "lt-2", "version": "1"}
    return Member(id=id_, **{**own, **facts})


def members(*ids: str, **facts: Any) -> tuple[Member, ...]:
    return tuple(a_member(id_, **facts) for id_ in ids)


def a_group(*members_: Member, desired: int = 3, **facts: Any) -> ObservedGroup:
    named = {"name": GREEN, "minimum": 1, "maximum": 9, "template": "lt-2", "version": "1"}
    return ObservedGroup(**{**named, "desired": desired, "members": members_, **facts})


def healthy(*ids: str) -> dict[str, Target]:
    return {id_: Target(id=id_, state="healthy") for id_ in ids}


def in_service(*ids: str) -> dict[str, Target]:
    given = {"state": "InService", "reason": "N/A", "description": "N/A"}
    return {id_: Target(id=id_, **given) for id_ in ids}


def an_observation(
    group: ObservedGroup | None = None,
    *,
    web: Iterable[Target] | Mapping[str, Target] | None = None,
    old: Iterable[Target] | Mapping[str, Target] | None = None,
    activities: Iterable[Activity] = (),
    **facts: Any,
) -> Observation:
    """Return an observation of one group; a balancer that is not given was not read."""
    listed = {WEB.identifier: web, OLD.identifier: old}
    return Observation(
        **{"at": 0.0, **facts},
        groups={group.name: group} if group else {},
        targets={name: _by_id(given) for name, given in listed.items() if given is not None},
        activities={GREEN: tuple(activities)},
    )


def _by_id(given: Iterable[Target] | Mapping[str, Target]) -> Mapping[str, Target]:
    return given if isinstance(given, Mapping) else {target.id: target for target in given}


def in_turn(*observations: Observation, every: float = 5.0) -> list[Observation]:
    """Return the observations at growing times."""
    return [
        replace(observation, at=every * number) for number, observation in enumerate(observations)
    ]


def expecting(*balancers: Balancer, least: int = 0) -> Expected:
    return Expected(group=GREEN, balancers=balancers, least=least)


def a_launch(number: int, id_: str = "", status: str = "Successful", **facts: Any) -> Activity:
    """Return a launch; `number` is its second, `message` is why it failed."""
    given = {"cause": GREW, "message": "", **facts}
    of = f": {id_}" if id_ else ""
    why = f".  Status Reason: {given['message']}" if given["message"] else ""
    return Activity(
        **{
            "id": f"launch-{number}",
            "status": status,
            "description": f"Launching a new EC2 instance{of}{why}",
            "began": f"2026-01-01T10:{number // 60:02}:{number % 60:02}.123000+00:00",
            **given,
        }
    )


def refused(number: int, message: str) -> Activity:
    """Return a launch that EC2 refused."""
    return a_launch(number, status="Failed", message=message)


def a_departure(
    number: int, id_: str, cause: str = ELB_FAILED, doing: str = "Terminating"
) -> Activity:
    return Activity(
        id=f"departure-{number}",
        status="InProgress",
        description=f"{doing} EC2 instance: {id_} - Waiting For ELB Connection Draining.",
        cause=cause,
        message="",
        began=f"2026-01-01T10:{number // 60:02}:{number % 60:02}.123000+00:00",
    )
