"""Estimate the extra instance-hours of running both groups, from the policy's waits and the size.

Only what is known before the deployment counts: its waits, the delays of its load balancers, and
how long the serving release took to become healthy.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.changes.model import ExtraHours
from pipeline.core.state.deployment import Policy

_HOUR = 3600.0
NEXT_PROMOTION = "the next promotion"
OWNER = "its owner deletes the adopted group"


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """The groups of a deployment: `old` and `new` are their numbers of instances.

    `ready` is the number of seconds from a launch until the group is healthy, 0 if unknown.
    `adopted` says that the pipeline never deletes the old one, `worker` that it is stopped when it
    stops serving.
    """

    old: int
    new: int
    ready: float = 0.0
    adopted: bool = False
    worker: bool = False


def extra_hours(policy: Policy, groups: Groups) -> ExtraHours:
    """Return the extra instance-hours of a promotion; none if it replaces no instances."""
    if not groups.old or not policy.overlap:
        return ExtraHours()
    seconds = _beside(policy, groups) + _after(policy, groups)
    left = 0 if groups.worker else _left(policy, groups)
    unknown = ["the launch of the new group"] if not groups.ready else []
    unknown += ["pauses"] if policy.pauses.before or any(s.pause for s in policy.steps) else []
    warm = left * (policy.keep or 0.0) / _HOUR
    stays = left if groups.adopted or policy.keep is None else 0
    return ExtraHours(
        deployment=round(seconds / _HOUR, 4),
        warm=0.0 if stays else round(warm, 4),
        stays=stays,
        until=(OWNER if groups.adopted else NEXT_PROMOTION) if stays else "",
        unknown=f"without {' and '.join(unknown)}" if unknown else "",
    )


def _beside(policy: Policy, groups: Groups) -> float:
    """Return the instance-seconds while both groups serve: the new group's are extra."""
    if batches := policy.batches:
        first = batches.green(1).size(groups.old)
        return first * groups.ready + _left(policy, groups) * policy.pause("soak")
    first = policy.steps[0].size(groups.new) if policy.steps else groups.new
    steps = sum(each.size(groups.new) * each.seconds for each in policy.steps)
    return first * groups.ready + steps + groups.new * policy.pause("soak")


def _after(policy: Policy, groups: Groups) -> float:
    """Return the instance-seconds once the new group serves alone: the old group's are extra."""
    observe = 0.0 if groups.worker else policy.pause("observe")
    return _left(policy, groups) * (policy.delays.drain + observe)


def _left(policy: Policy, groups: Groups) -> int:
    """Return how many instances the old group has when it stops serving; batches reduced it."""
    batches = policy.batches
    return batches.blue(batches.count, groups.old) if batches else groups.old
