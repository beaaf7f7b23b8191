"""Ordered behaviour: what the instances of an image or a group do to those who watch them.

Images go wrong in a handful of ways, and a deployment must tell them apart. An order
names one of them for an image, a group or an instance; so does the tag
`local-cloud:behaviour` on any of these. Faults (see `faults`) are of API calls,
orders of instances.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

TAG = "local-cloud:behaviour"

# What there is to order, and its seconds (AWS's) if the order names none.
SECONDS = {
    "never-healthy": 0.0,  # every request that comes through a load balancer is answered 500
    "broken": 0.0,  # the same, but the health check's path is passed on
    "dies": 60.0,  # so long after the boot its services end for good
    "flaps": 30.0,  # its services end and start again, each for so long
    "boots-slowly": 300.0,  # it boots so much later
    "registers-late": 60.0,  # its group registers it so long after it is in service
    "hollow": 0.0,  # it has no processes: load balancers answer 200 in its place once it booted
    "exits": 0.0,  # so long after the boot the instance shuts itself down
    "no-capacity": 0.0,  # EC2 has no instance for it
}
Answers: TypeAlias = Literal["", "200", "500", "500-but-health"]
ANSWERS: dict[str, Answers] = {"never-healthy": "500", "broken": "500-but-health", "hollow": "200"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One way to go wrong, and when."""

    kind: str
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """Who an order may be for; `tags` are the values of the tag, the nearest first."""

    image: str
    instance: str = ""
    group: str = ""
    zone: str = ""
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(kw_only=True)
class Order:
    """A behaviour for an image, a group, an instance or a zone; `*` stands for any."""

    behaviour: str
    seconds: float | None = None
    image: str = "*"
    group: str = "*"
    instance: str = "*"
    zone: str = "*"
    times: int = 0  # no-capacity: so many launches; 0: all

    def __post_init__(self) -> None:
        if self.behaviour not in SECONDS:
            raise ValueError(f"behaviour is one of {', '.join(SECONDS)}, not {self.behaviour!r}")
        if {self.image, self.group, self.instance, self.zone} == {"*"}:
            raise ValueError("an order names an image, a group, an instance or a zone")

    @property
    def means(self) -> Behaviour:
        """What is ordered."""
        default = SECONDS[self.behaviour]
        seconds = default if self.seconds is None else self.seconds
        return Behaviour(kind=self.behaviour, seconds=seconds)

    def is_for(self, subject: Subject) -> bool:
        """Tell whether this subject is meant."""
        names = ("image", "group", "instance", "zone")
        return all(getattr(self, name) in {"*", getattr(subject, name)} for name in names)


class Orders:
    """The orders that stand, newest first, and what the tags say."""

    def __init__(self, find: Callable[[str], Subject], launch: Callable[..., Subject]) -> None:
        self._find = find
        self._launch = launch
        self._orders: list[Order] = []
        self._lock = threading.Lock()

    def order(self, orders: list[dict[str, Any]]) -> None:
        """Add orders; all of them or, if one makes no sense, none."""
        made = [Order(**order) for order in orders]
        with self._lock:
            self._orders[:0] = reversed(made)

    def clear(self) -> None:
        """Take every order back; tags stay."""
        with self._lock:
            self._orders.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the orders as they stand."""
        with self._lock:
            return [dataclasses.asdict(order) for order in self._orders]

    def of(self, instance: str) -> Behaviour | None:
        """Return what an instance is to do, if anything; call it under the API's lock."""
        return self.meant_for(self._find(instance))

    def answers(self, instance: str) -> Answers:
        """Return what load balancers get from an instance instead of its own answers."""
        return self.answers_of(self._find(instance))

    def answers_of(self, subject: Subject) -> Answers:
        """Return the same for an instance that was described already."""
        behaviour = self.meant_for(subject)
        return ANSWERS.get(behaviour.kind, "") if behaviour else ""

    def lateness(self, instance: str) -> float:
        """Return AWS's seconds until a group has registered an instance; see `of`."""
        behaviour = self.of(instance)
        late = behaviour is not None and behaviour.kind == "registers-late"
        return behaviour.seconds if behaviour and late else 0.0

    def meant_for(self, subject: Subject) -> Behaviour | None:
        """Return what counts for a subject: an order before a tag, no-capacity apart."""
        with self._lock:
            fitting = [order for order in self._orders if order.is_for(subject)]
        ordered = [order.means for order in fitting]
        tagged = [behaviour for tag in subject.tags if (behaviour := parse(tag))]
        of_instances = [b for b in (*ordered, *tagged) if b.kind != "no-capacity"]
        return next(iter(of_instances), None)

    def no_capacity(self, subject: Subject) -> bool:
        """Tell whether a launch finds no capacity, and count it."""
        if any(b.kind == "no-capacity" for tag in subject.tags if (b := parse(tag))):
            return True
        with self._lock:
            for order in self._orders:
                if order.behaviour == "no-capacity" and order.is_for(subject):
                    self._use_up(order)
                    return True
        return False

    def refused_launch(
        self, *, group: str, image: str, zone: str, instance_type: str
    ) -> str | None:
        """Return EC2's words if a group's launch is to fail; call it under the API's lock."""
        subject = self._launch(group=group, image=image, zone=zone)
        return shortage(instance_type, zone) if self.no_capacity(subject) else None

    def _use_up(self, order: Order) -> None:
        if order.times:
            order.times -= 1
            if not order.times:
                self._orders.remove(order)


def parse(tag: str) -> Behaviour | None:
    """Read a tag's value, such as `dies` or `dies 90`; none if it makes no sense."""
    kind, _, seconds = tag.strip().partition(" ")
    if kind not in SECONDS:
        return None
    try:
        return Behaviour(kind=kind, seconds=float(seconds) if seconds else SECONDS[kind])
    except ValueError:
        return None


def shortage(instance_type: str, zone: str) -> str:
    """Return EC2's words for InsufficientInstanceCapacity, as scaling activities show them."""
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone "
        f"you requested ({zone}). Our system will be working on provisioning additional capacity. "
        f"You can currently get {instance_type} capacity by not specifying an Availability Zone "
        "in your request or choosing another one."
    )
