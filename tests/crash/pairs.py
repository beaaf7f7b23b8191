"""The invariants of pairs of target groups and of pauses; violations are sentences.

An answer comes from a target group that has traffic. After a flip that is green's, beyond requests
in flight.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tests.crash.snapshot import Snapshot
    from tools.load import Result

ALL = 100
IN_FLIGHT = 0.25
"""Seconds in which the nodes of a load balancer learn of new weights, on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """New weights by target group, from a monotonic time on."""

    at: float
    weights: Mapping[str, int]


def unremoved(releases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the releases whose removal a later command does."""
    return sorted(name for name, each in releases.items() if each.get("removal"))


def waiting(after: Snapshot) -> dict[str, set[str]]:
    """Return the idle target groups in which each release waits for its removal."""
    names = unremoved(after.releases) if after.weights else []
    return {name: set(after.attached.get(name, ())) for name in names}


def ended(after: Snapshot) -> list[str]:
    """After the end one target group has all traffic, and the serving release is only there.

    The other one is empty, unless a release waits there for its removal.
    """
    if not after.weights:
        return []
    live = {pool for pool, weight in after.weights.items() if weight == ALL}
    recorded = set(after.releases.get(after.serving, {}).get("target_groups", ()))
    attached = set(after.attached.get(after.serving, ()))
    found = []
    if not set(after.weights.values()) <= {0, ALL} or 2 * len(live) != len(after.weights):
        found.append(f"the weights are {after.weights}")
    if recorded != live:
        found.append(f"{after.serving} has {sorted(recorded)} in the document, not {sorted(live)}")
    if attached != live:
        found.append(f"{after.serving} is attached to {sorted(attached)}, not {sorted(live)}")
    used = live.union(*waiting(after).values())
    found += [
        f"{sorted(members)} are registered in {pool}, which is idle"
        for pool, members in after.registered.items()
        if members and pool not in used
    ]
    return found


def paused(after: Snapshot, share: int | None) -> list[str]:
    """A paused deployment has no lease, and both groups are as the phase before left them.

    `share` is green's, in percent; None without a pair.
    """
    deployment: dict[str, Any] = after.document["deployment"] or {}
    found = []
    if after.document["lease"]:
        found.append("the lease of a paused deployment is held")
    if not is_paused(after.document):
        return [*found, "the deployment is not recorded as paused"]
    green, both = deployment["green"], {deployment["green"], deployment["blue"]}
    attached = {name for name, sources in after.attached.items() if sources}
    if attached != both:
        found.append(f"{sorted(attached)} are attached while {sorted(both)} are paused")
    if share is not None:
        used = after.releases[green]["target_groups"]
        weights = {pool: share if pool in used else ALL - share for pool in after.weights}
        if weights != after.weights:
            found.append(f"the weights of a pause are {after.weights}, not {weights}")
    return found


def is_paused(content: Mapping[str, Any]) -> bool:
    """Return True if the deployment of a document is paused."""
    pauses = (content["deployment"] or {}).get("pauses", [])
    return bool(pauses) and pauses[-1]["decision"] is None


def answered(
    results: Iterable[Result],
    before: Mapping[str, int],
    shifts: Sequence[Shift],
    homes: Mapping[str, Collection[str]],
) -> list[str]:
    """Each answer is from a target group that had traffic at a time of its request.

    `before` are the weights at first, `homes` the target groups of the instances.
    """
    spans = list(_spans(before, shifts))
    found = []
    for each in results:
        if each.error:
            continue
        instance = json.loads(each.body)["instance_id"]
        if instance == "unknown":  # the application does not let a request wait for its lookup
            continue
        home, until = homes.get(instance, ()), each.at + each.seconds
        mine = [span for span in spans if gets_traffic(home, span[2])]
        if not any(begin <= until and each.at <= end + IN_FLIGHT for begin, end, _ in mine):
            late = each.at - max((end for _, end, _ in mine), default=0.0)
            where = f"{instance} of {sorted(home)}"
            found.append(f"{where} answered {late:.2f} s after its last traffic")
    return found[:3]


def gets_traffic(pools: Collection[str], weights: Mapping[str, int]) -> bool:
    """Return True if one of the target groups has a weight."""
    return any(weights.get(each) for each in pools)


def _spans(
    before: Mapping[str, int], shifts: Sequence[Shift]
) -> Iterator[tuple[float, float, Mapping[str, int]]]:
    """Yield from when until when which weights held."""
    weights, begin = dict(before), -inf
    for each in shifts:
        yield begin, each.at, weights
        weights, begin = {**weights, **each.weights}, each.at
    yield begin, inf, weights
