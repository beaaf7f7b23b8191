"""What was seen of one deployment, from the moments of the local cloud and the requests meanwhile.

Pure: values in, values out, so that what a figure means can be tested without a deployment. All
times are the machine's monotonic clock's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

Moment = Mapping[str, Any]

DECIDING = frozenset(
    {
        "DetachTrafficSources",
        "DetachLoadBalancers",
        "DetachLoadBalancerTargetGroups",
        "DeregisterTargets",
        "DeleteAutoScalingGroup",
        "TerminateInstances",
    }
)
"""Calls that take traffic from somebody or destroy something."""
SHRINKING = "UpdateAutoScalingGroup"
"""With it Terraform begins to destroy a group: it sets its size to 0."""
TERRAFORM = "Terraform"
STATES = ("waiting", "healthy", "unhealthy", "draining")
"""Of a member: not (yet) asked to answer, or asked and so on, in the words of target groups."""
OUT = ("shutting-down", "terminated")


class Request(Protocol):
    """A request of `tools.load`."""

    @property
    def at(self) -> float:
        """When it was due."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def status(self) -> int:
        """What it was answered; 0: nothing."""

    @property
    def body(self) -> bytes:
        """What it was answered with."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One command: whose calls and targets are meant, what is put into service, from when to when.

    `until` is the end of what is looked at; the command itself may have ended before.
    """

    key: str
    pool: str
    image: str
    members: int
    began: float
    ended: float
    until: float


def last_healthy(moments: Sequence[Moment], window: Window) -> float | None:
    """Return when the last of the new members was found healthy; None if not all of them were."""
    new = members(moments, window).get("new", set())
    first: dict[str, float] = {}
    for each in targets(moments, window):
        if each["id"] in new and each["state"] == "healthy" and each["at"] >= window.began:
            first.setdefault(each["id"], each["at"])
    return max(first.values()) if len(first) >= window.members else None


def decided(moments: Sequence[Moment], window: Window) -> float:
    """Return when the command first took traffic from somebody or destroyed something, or ended."""
    return min(
        (each["at"] for each in calls(moments, window) if decides(each)), default=window.ended
    )


def decides(call: Moment) -> bool:
    """Tell whether a call takes traffic from somebody or destroys something."""
    shrinks = call["action"] == SHRINKING and TERRAFORM in call["agent"]
    return shrinks or call["action"] in DECIDING


def decision(moments: Sequence[Moment], window: Window) -> float | None:
    """Return seconds from the last member healthy to the decision; below 0 it came before."""
    healthy = last_healthy(moments, window)
    return None if healthy is None else decided(moments, window) - healthy


def calls(moments: Iterable[Moment], window: Window) -> list[Moment]:
    """Return the command's API calls."""
    return [
        each
        for each in moments
        if each["kind"] == "call"
        and each["key"] == window.key
        and window.began <= each["at"] <= window.ended
    ]


def counted(moments: Iterable[Moment], window: Window) -> tuple[Counter[str], Counter[str]]:
    """Return the command's own calls and those of the Terraform it ran, by action."""
    own, terraform = Counter[str](), Counter[str]()
    for each in calls(moments, window):
        of = terraform if TERRAFORM in each["agent"] else own
        of[f"{each['service']}:{each['action']}"] += 1
    return own, terraform


def members(moments: Iterable[Moment], window: Window) -> dict[str, set[str]]:
    """Return the instances that were in the pool while it was looked at, new ones and old."""
    moments = list(moments)
    images = {each["id"]: each["image"] for each in moments if each["kind"] == "instance"}
    born = {
        each["id"]: each["at"]
        for each in moments
        if each["kind"] == "instance" and each["state"] == "pending"
    }
    found: dict[str, set[str]] = {"new": set(), "old": set()}
    for each in targets(moments, window):
        id_ = each["id"]
        is_new = images.get(id_) == window.image and born.get(id_, 0.0) >= window.began
        found["new" if is_new else "old"].add(id_)
    return found


def targets(moments: Iterable[Moment], window: Window) -> list[Moment]:
    """Return what became of the pool's targets."""
    return [
        each
        for each in moments
        if each["kind"] == "target" and each["pool"] == window.pool and each["at"] <= window.until
    ]


def left(moments: Sequence[Moment], window: Window) -> int:
    """Return how many of its new instances the command left running, serving or not.

    Of those that were in its pool: other services may get the same image at the same time.
    """
    state = {
        each["id"]: each["state"]
        for each in moments
        if each["kind"] == "instance" and each["at"] <= window.until
    }
    return sum(state[each] not in OUT for each in members(moments, window)["new"])


def failed(requests: Iterable[Request], window: Window) -> int:
    """Return how many requests were not answered 200."""
    return sum(each.status != 200 for each in within(requests, window))  # noqa: PLR2004  HTTP's word


def within(requests: Iterable[Request], window: Window) -> list[Request]:
    """Return the requests that were due while it was looked at."""
    return [each for each in requests if window.began <= each.at <= window.until]


def series(
    moments: Sequence[Moment], requests: Iterable[Request], window: Window, *, step: float = 1.0
) -> dict[str, Any]:
    """Return members by state and requests a second, for a picture.

    Members are as they were at the end of each step, requests those due in it, a second.
    """
    edges = steps(window, step)
    of = members(moments, window)
    lives = {id_: life(moments, window, id_) for id_ in of["old"] | of["new"]}
    seen = {
        f"{whose} {state}": [
            sum(at(lives[id_], edge) == state for id_ in of[whose]) for edge in edges[1:]
        ]
        for whose in ("old", "new")
        for state in STATES
    }
    good, bad = Counter[int](), Counter[int]()
    for each in within(requests, window):
        (good if each.status == 200 else bad)[bisect_right(edges, each.at) - 1] += 1  # noqa: PLR2004
    count = range(len(edges) - 1)
    return {
        "step": step,
        "ended": round(window.ended - window.began, 1),
        "members": {name: values for name, values in seen.items() if any(values)},
        "ok": [round(good[index] / step, 1) for index in count],
        "failed": [round(bad[index] / step, 1) for index in count],
    }


def steps(window: Window, step: float) -> list[float]:
    """Return the moments at which steps begin, and the end of the last."""
    count = int((window.until - window.began) / step)
    return [window.began + index * step for index in range(count + 1)]


def life(moments: Iterable[Moment], window: Window, id_: str) -> list[tuple[float, str]]:
    """Return since when an instance was in which state; "" while it is not there."""
    found = []
    for each in moments:
        if each.get("id") != id_:
            continue
        if each["kind"] == "instance" and each["state"] in {"pending", *OUT}:
            found.append((each["at"], "waiting" if each["state"] == "pending" else ""))
        elif each["kind"] == "target" and each["pool"] == window.pool:
            found.append((each["at"], state_of(each["state"], found)))
    return found


def state_of(told: str, before: Sequence[tuple[float, str]]) -> str:
    """Return the state of a member from what is told of a target."""
    if told in STATES:
        return told
    is_out = bool(before) and before[-1][1] == ""
    return "" if is_out else "waiting"


def at(life_: Sequence[tuple[float, str]], moment: float) -> str:
    """Return the state at a moment."""
    index = bisect_right([since for since, _ in life_], moment)
    return life_[index - 1][1] if index else ""


def back_again(requests: Iterable[Request], window: Window, version: bytes) -> float | None:
    """Return seconds from the beginning until a version answered for the last time."""
    mark = b'"version": "' + version + b'"'
    ends = [each.at + each.seconds for each in within(requests, window) if mark in each.body]
    return max(ends) - window.began if ends else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies, interpolated between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    pairs = [*pairwise(ordered), (ordered[-1], ordered[-1])]
    first, second = pairs[low]
    return first + (second - first) * (place - low)
