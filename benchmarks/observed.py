"""Compute the figures of one deployment from the local cloud's timeline and the requests.

All functions are pure, so that tests need no deployment. All times are monotonic.
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
"""Calls that detach or delete something."""
SHRINKING = "UpdateAutoScalingGroup"
"""The call with which Terraform begins to delete a group: it sets its size to 0."""
TERRAFORM = "Terraform"
REFUSED = (400, 412)
"""The statuses of a request for nothing that exists, and of a dry run."""
STATES = ("waiting", "healthy", "unhealthy", "draining")
"""The states of a member: waiting for traffic, or those of a target group."""
OUT = ("shutting-down", "terminated")


class Request(Protocol):
    """A request of `tools.load`."""

    @property
    def at(self) -> float:
        """Return when the request was due."""

    @property
    def seconds(self) -> float:
        """Return its duration."""

    @property
    def status(self) -> int:
        """Return the status of the response, or 0 without one."""

    @property
    def body(self) -> bytes:
        """Return the body of the response."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One command: its access key, target group and image, and the period that is observed.

    `until` is the end of the observation; the command itself may have ended earlier.
    """

    key: str
    pool: str
    image: str
    members: int
    began: float
    ended: float
    until: float


def last_healthy(moments: Sequence[Moment], window: Window) -> float | None:
    """Return when the last new member became healthy, or None if not all of them did."""
    new = members(moments, window).get("new", set())
    first: dict[str, float] = {}
    for each in targets(moments, window):
        if each["id"] in new and each["state"] == "healthy" and each["at"] >= window.began:
            first.setdefault(each["id"], each["at"])
    return max(first.values()) if len(first) >= window.members else None


def decided(moments: Sequence[Moment], window: Window) -> float:
    """Return when the command first detached or deleted something, or when it ended."""
    return min(
        (each["at"] for each in calls(moments, window) if decides(each)), default=window.ended
    )


def decides(call: Moment) -> bool:
    """Return True if a call detached or deleted something; permission probes are refused."""
    shrinks = call["action"] == SHRINKING and TERRAFORM in call["agent"]
    return call["status"] < 400 and (shrinks or call["action"] in DECIDING)  # noqa: PLR2004  HTTP


def only_new_serve(moments: Sequence[Moment], window: Window) -> float | None:
    """Return the seconds until all new members are healthy and no old one gets new requests.

    None if that never happens during the observation.
    """
    of, last = members(moments, window), last_healthy(moments, window)
    if last is None:
        return None
    now = dict.fromkeys(of["old"], "")
    left = dict.fromkeys(of["old"], 0.0)
    for each in targets(moments, window):
        if each["id"] in now:
            if now[each["id"]] == "healthy" and each["state"] != "healthy":
                left[each["id"]] = each["at"]
            now[each["id"]] = each["state"]
    if "healthy" in now.values():
        return None
    return max(last, *left.values(), window.began) - window.began


def decision(moments: Sequence[Moment], window: Window) -> float | None:
    """Return the seconds from the last healthy member to the decision; negative if earlier."""
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
    """Return the command's own calls and those of its Terraform, by action.

    A call that AWS refuses proves a permission, once for each role, and is not counted.
    """
    own, terraform = Counter[str](), Counter[str]()
    for each in calls(moments, window):
        if each["status"] in REFUSED:
            continue
        of = terraform if TERRAFORM in each["agent"] else own
        of[f"{each['service']}:{each['action']}"] += 1
    return own, terraform


def members(moments: Iterable[Moment], window: Window) -> dict[str, set[str]]:
    """Return the old and new instances that were in the target group during the observation."""
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
    """Return the state changes of the target group's targets."""
    return [
        each
        for each in moments
        if each["kind"] == "target" and each["pool"] == window.pool and each["at"] <= window.until
    ]


def left(moments: Sequence[Moment], window: Window) -> int:
    """Return how many of its new instances the command left running.

    Only instances of its target group count: other services may get the same image at the same
    time.
    """
    state = {
        each["id"]: each["state"]
        for each in moments
        if each["kind"] == "instance" and each["at"] <= window.until
    }
    return sum(state[each] not in OUT for each in members(moments, window)["new"])


def failed(requests: Iterable[Request], window: Window) -> int:
    """Return how many requests did not get status 200."""
    return sum(each.status != 200 for each in within(requests, window))  # noqa: PLR2004  the HTTP status


def within(requests: Iterable[Request], window: Window) -> list[Request]:
    """Return the requests that were due during the observation."""
    return [each for each in requests if window.began <= each.at <= window.until]


def series(
    moments: Sequence[Moment], requests: Iterable[Request], window: Window, *, step: float = 1.0
) -> dict[str, Any]:
    """Return members by state and requests per second, for a picture.

    Members are counted at the end of each step. Requests are those due in the step, per second.
    """
    edges = steps(window, step)
    of = members(moments, window)
    lives = {id_: history(moments, window, id_) for id_ in of["old"] | of["new"]}
    seen = {
        f"{generation} {state}": [
            sum(at(lives[id_], edge) == state for id_ in of[generation]) for edge in edges[1:]
        ]
        for generation in ("old", "new")
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
    """Return the start of each step, and the end of the last one."""
    count = int((window.until - window.began) / step)
    return [window.began + index * step for index in range(count + 1)]


def history(moments: Iterable[Moment], window: Window, id_: str) -> list[tuple[float, str]]:
    """Return the states of an instance with their start times; "" means that it does not exist."""
    found = []
    for each in moments:
        if each.get("id") != id_:
            continue
        if each["kind"] == "instance" and each["state"] in {"pending", *OUT}:
            found.append((each["at"], "waiting" if each["state"] == "pending" else ""))
        elif each["kind"] == "target" and each["pool"] == window.pool:
            found.append((each["at"], state_of(each["state"], found)))
    return found


def state_of(target: str, before: Sequence[tuple[float, str]]) -> str:
    """Return the state of a member for the state of its target."""
    if target in STATES:
        return target
    is_out = bool(before) and before[-1][1] == ""
    return "" if is_out else "waiting"


def at(history: Sequence[tuple[float, str]], moment: float) -> str:
    """Return the state at a moment."""
    index = bisect_right([since for since, _ in history], moment)
    return history[index - 1][1] if index else ""


def rolled_back_after(requests: Iterable[Request], window: Window, version: bytes) -> float | None:
    """Return the seconds until a version answered for the last time."""
    mark = b'"version": "' + version + b'"'
    ends = [each.at + each.seconds for each in within(requests, window) if mark in each.body]
    return max(ends) - window.began if ends else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies, interpolated between neighbors."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    pairs = [*pairwise(ordered), (ordered[-1], ordered[-1])]
    first, second = pairs[low]
    return first + (second - first) * (place - low)
