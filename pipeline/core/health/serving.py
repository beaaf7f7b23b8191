"""Judge whether a group serves by one observation, and name the command that repairs it.

`promote` and `status` state the same facts: both take them from here. Separate from `assessment`,
which judges a deployment's groups over several observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core import commands
from pipeline.core.health.members import healthy_members
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup


class Trouble(StrEnum):
    """What prevents a group from serving, the cause of the others first."""

    UNREADABLE = "unreadable"
    NO_BALANCER = "no load balancer"
    MISSING = "missing"
    OTHERS = "another service's"
    DELETED = "being deleted"
    DETACHED = "detached"
    EMPTY = "empty"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """The condition of a group; `trouble` is None if it serves.

    `what` says it in words: the subject of the sentence is the group, or a thing that it names.
    `healthy` is the number of healthy members, `desired` the desired capacity. `detached` are the
    load balancers that the group is not attached to.
    """

    what: str
    trouble: Trouble | None = None
    healthy: int = 0
    desired: int = 0
    detached: tuple[Balancer, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Return True if it serves with as many healthy members as desired."""
        return self.trouble is None and self.healthy >= self.desired


def condition_of(
    name: str,
    observation: Observation,
    balancers: Sequence[Balancer],
    absent: Sequence[Balancer] = (),
) -> Condition:
    """Return the condition of a group behind load balancers; `absent` ones do not exist.

    Fewer than half of its members is unhealthy: Auto Scaling replaces a single one.
    """
    if absent:
        names = ", ".join(each.name for each in absent)
        verb = "does" if len(absent) == 1 else "do"
        return Condition(trouble=Trouble.NO_BALANCER, what=f"{names} {verb} not exist")
    group = observation.groups.get(name)
    if group is None:
        if observation.unreadable:
            return Condition(trouble=Trouble.UNREADABLE, what="its group is unreadable")
        return Condition(trouble=Trouble.MISSING, what="its group does not exist")
    if group.status:
        what = f"its group is being deleted ({group.status})"
        return Condition(trouble=Trouble.DELETED, what=what)
    return _of_group(group, observation, balancers)


def _of_group(
    group: ObservedGroup, observation: Observation, balancers: Sequence[Balancer]
) -> Condition:
    healthy, desired = len(healthy_members(group, balancers, observation)), group.desired
    text = f"{healthy} of {desired} members healthy"
    unread = [each.name for each in balancers if each.identifier not in observation.targets]
    detached = tuple(each for each in balancers if each.identifier not in group.attached)
    if unread:
        text = f"its health in {', '.join(unread)} is unreadable"
    if detached:
        names = ", ".join(each.name for each in detached)
        return Condition(
            trouble=Trouble.DETACHED, what=f"not attached to {names}, {text}", detached=detached
        )
    if not desired:
        return Condition(trouble=Trouble.EMPTY, what="scaled to zero: 0 instances")
    if unread:
        return Condition(trouble=Trouble.UNREADABLE, what=text)
    trouble = None if healthy and 2 * healthy >= desired else Trouble.UNHEALTHY
    return Condition(trouble=trouble, what=text, healthy=healthy, desired=desired)


def scale(region: str, group: ObservedGroup, *, minimum: int, desired: int) -> str:
    """Return the command that gives a group instances again; it never lowers the maximum."""
    desired = max(desired, minimum, 1)
    options = {
        "region": region,
        "auto-scaling-group-name": group.name,
        "min-size": str(max(minimum, group.minimum)),
        "desired-capacity": str(desired),
    }
    if desired > group.maximum:
        options["max-size"] = str(desired)
    return commands.aws("autoscaling", "update-auto-scaling-group", options)


def list_balancers(region: str, absent: Sequence[Balancer]) -> str:
    """Return the command that lists the load balancers of the kind that is missing."""
    if any(each.kind == "elb" for each in absent):
        return commands.aws("elb", "describe-load-balancers", {"region": region})
    return commands.aws("elbv2", "describe-target-groups", {"region": region})
