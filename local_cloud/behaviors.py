"""Set how the instances of an image or a group misbehave.

Images go wrong in a handful of ways, and a deployment must tell them apart. A behavior is set
for an image, a group, an instance or a zone: over the control API, or with the tag
`local-cloud:behavior`. Behaviors are of instances; faults (see `api.faults`) are of API calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from local_cloud.launch_failures import DIED, REFUSED, Refusal, filled

TAG = "local-cloud:behavior"

# Every behavior, and its seconds (AWS's) if none are given.
SECONDS = {
    "never-healthy": 0.0,  # every request through a load balancer is answered 500
    "broken": 0.0,  # the same, but requests for the health check's path are passed on
    "dies": 60.0,  # its services end for good, this long after the boot
    "flaps": 30.0,  # its services end and start again; each half takes this long
    "boots-slowly": 300.0,  # the boot takes this much longer
    "registers-late": 60.0,  # its group registers it this long after it is in service
    "hollow": 0.0,  # it has no processes; once booted, load balancers answer 200 in its place
    "exits": 0.0,  # the instance shuts itself down, this long after the boot
    **dict.fromkeys(REFUSED, 0.0),  # EC2 refuses its launch
    **dict.fromkeys(DIED, 0.0),  # EC2 makes it and ends it before it runs
    "pends": 3600.0,  # an image made of it, or copied from it, is pending for this much longer
}
NOT_RUNNING = frozenset({*REFUSED, "pends"})  # of launches and images, not of running instances
Answers: TypeAlias = Literal["", "200", "500", "500-but-health"]
ANSWERS: dict[str, Answers] = {"never-healthy": "500", "broken": "500-but-health", "hollow": "200"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Behavior:
    """One way to misbehave, and its time."""

    kind: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BehaviorTarget:
    """An instance that a behavior may be for; `tags` are the values of the tag, nearest first."""

    image: str
    instance: str = ""
    group: str = ""
    zone: str = ""
    tags: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Assignment:
    """A behavior of an image, a group, an instance or a zone; `*` means any."""

    behavior: str
    seconds: float | None = None
    image: str = "*"
    group: str = "*"
    instance: str = "*"
    zone: str = "*"
    times: int = 0  # a refused launch, a pending image: this many; 0 means all

    def __post_init__(self) -> None:
        if self.behavior not in SECONDS:
            raise ValueError(f"behavior is one of {', '.join(SECONDS)}, not {self.behavior!r}")
        if {self.image, self.group, self.instance, self.zone} == {"*"}:
            raise ValueError("a behavior needs an image, a group, an instance or a zone")

    @property
    def meaning(self) -> Behavior:
        """The behavior with its seconds."""
        default = SECONDS[self.behavior]
        seconds = default if self.seconds is None else self.seconds
        return Behavior(kind=self.behavior, seconds=seconds)

    def is_for(self, target: BehaviorTarget) -> bool:
        """Return True if the assignment applies to the target."""
        names = ("image", "group", "instance", "zone")
        return all(getattr(self, name) in {"*", getattr(target, name)} for name in names)


class Behaviors:
    """The behaviors of one cloud: assignments, newest first, and tags."""

    def __init__(
        self,
        find: Callable[[str], BehaviorTarget],
        launch: Callable[..., BehaviorTarget],
    ) -> None:
        self._find = find
        self._launch = launch
        self._assignments: list[Assignment] = []
        self._lock = threading.Lock()

    def assign(self, assignments: list[dict[str, Any]]) -> None:
        """Add assignments; none if one of them is invalid."""
        added = [Assignment(**assignment) for assignment in assignments]
        with self._lock:
            self._assignments[:0] = reversed(added)

    def clear(self) -> None:
        """Remove every assignment; tags stay."""
        with self._lock:
            self._assignments.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the assignments."""
        with self._lock:
            return [asdict(assignment) for assignment in self._assignments]

    def of(self, instance: str) -> Behavior | None:
        """Return the behavior of an instance, if it has one; call it under the API's lock."""
        return self.effective(self._find(instance))

    def answers(self, instance: str) -> Answers:
        """Return what load balancers get instead of an instance's own answers."""
        return self.answers_of(self._find(instance))

    def answers_of(self, target: BehaviorTarget) -> Answers:
        """Return what load balancers get instead of a target's own answers."""
        behavior = self.effective(target)
        return ANSWERS.get(behavior.kind, "") if behavior else ""

    def registration_delay(self, instance: str) -> float:
        """Return AWS's seconds until a group registers an instance; see `of`."""
        behavior = self.of(instance)
        late = behavior is not None and behavior.kind == "registers-late"
        return behavior.seconds if behavior and late else 0.0

    def effective(self, target: BehaviorTarget) -> Behavior | None:
        """Return the behavior of a target: assignments win over tags; a refused launch has none."""
        with self._lock:
            matching = [each for each in self._assignments if each.is_for(target)]
        assigned = [assignment.meaning for assignment in matching]
        tagged = [behavior for tag in target.tags if (behavior := parse(tag))]
        of_instances = [b for b in (*assigned, *tagged) if b.kind not in NOT_RUNNING]
        return next(iter(of_instances), None)

    def refused_launch(
        self, *, group: str, image: str, zone: str, instance_type: str
    ) -> Refusal | None:
        """Return how EC2 refuses a launch, and count it; call it under the API's lock.

        `group` is empty for a launch by RunInstances.
        """
        behavior = self._take(self._launch(group=group, image=image, zone=zone), REFUSED)
        if behavior is None:
            return None
        refusal = REFUSED[behavior.kind]
        return filled(refusal, image=image, zone=zone, instance_type=instance_type)

    def image_delay(self, target: BehaviorTarget) -> float:
        """Return for how many of AWS's seconds longer a new image is pending, and count it."""
        behavior = self._take(target, {"pends"})
        return behavior.seconds if behavior else 0.0

    def _take(self, target: BehaviorTarget, kinds: Container[str]) -> Behavior | None:
        """Return the behavior of one of these kinds, and use up an assignment."""
        tagged = (b for tag in target.tags if (b := parse(tag)) and b.kind in kinds)
        if behavior := next(tagged, None):
            return behavior
        with self._lock:
            for assignment in self._assignments:
                if assignment.behavior in kinds and assignment.is_for(target):
                    self._use_up(assignment)
                    return assignment.meaning
        return None

    def _use_up(self, assignment: Assignment) -> None:
        if assignment.times:
            assignment.times -= 1
            if not assignment.times:
                self._assignments.remove(assignment)


def parse(tag: str) -> Behavior | None:
    """Return the behavior of a tag's value, such as `dies` or `dies 90`; None if it is invalid."""
    kind, _, seconds = tag.strip().partition(" ")
    if kind not in SECONDS:
        return None
    try:
        return Behavior(kind=kind, seconds=float(seconds) if seconds else SECONDS[kind])
    except ValueError:
        return None
