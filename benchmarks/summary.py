"""Compute the figures and their goals from the records of a campaign.

All functions are pure. `deployments` creates the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.figures import Figure, at_most, shown

Record = Mapping[str, Any]
GOOD, ROLLBACK = "good", "rollback"
EARLY = "no-wait-retire"
SIZES = (3, 10, 100)
WALL = {"real": 0.72, "none": 1.0}
"""The goals for the wall time of a promotion, as a share of the recipe's."""
LATENCIES = {"real": "real latencies", "none": "no latencies"}


def figures(records: Sequence[Record]) -> list[Figure]:
    """Return every figure that these records allow."""
    own = [each for each in records if each["contender"] == "ami-pipeline"]
    failed = sum(r["failed"] for r in (*own, *(r for r in records if r["contender"] == EARLY)))
    return [
        *wall_times(records),
        *own_calls(own),
        *rollbacks(own),
        *phase_seconds(own),
        at_most("promote: failed requests, all runs", failed, "", 0),
        shown("promote: peak memory of our process", max(r["memory"] for r in own), "MiB"),
    ]


def select(records: Sequence[Record], **how: object) -> list[Record]:
    """Return the records with these values, and with one healthy check unless specified."""
    wanted = {"healthy_checks": 1, **how}
    return [r for r in records if all(r[name] == value for name, value in wanted.items())]


def median_of(records: Sequence[Record], name: str) -> float | None:
    """Return the median of a value over some runs, or None if there are none."""
    values = [each[name] for each in records if each.get(name) is not None]
    return median(values) if values else None


def wall_times(records: Sequence[Record]) -> Iterator[Figure]:
    """Compare the wall time of good releases with the recipe's."""
    for profile in ("real", "none"):
        for size in SIZES:
            of = {"profile": profile, "scenario": GOOD, "members": size}
            own = median_of(select(records, contender="ami-pipeline", **of), "seconds")
            recipe = median_of(select(records, contender="recipe", **of), "seconds")
            if own and recipe:
                name = f"promote over the recipe, {size} members, {LATENCIES[profile]}"
                yield at_most(name, own / recipe, "x", WALL[profile])
            early = median_of(select(records, contender=EARLY, **of), "seconds")
            if early and recipe:
                how = f"{size} members, {LATENCIES[profile]}"
                name = f"promote --no-wait-retire over the recipe, {how}"
                yield at_most(name, early / recipe, "x", WALL[profile])
            yield from until_served(records, of, f"{size} members, {LATENCIES[profile]}")
    usual = median_of(
        select(records, contender="ami-pipeline", profile="real", healthy_checks=3), "decision"
    )
    if usual is not None:
        yield shown("last member healthy to decision with the default 3 healthy checks", usual, "s")


def until_served(records: Sequence[Record], of: Record, how: str) -> Iterator[Figure]:
    """Compare the time until only the new members serve with the recipe's same moment."""
    own = median_of(select(records, contender="ami-pipeline", **of), "served")
    recipe = median_of(select(records, contender="recipe", **of), "served")
    if own and recipe:
        name = f"promote until only the new members serve, over the recipe, {how}"
        ratio = own / recipe
        yield (
            at_most(name, ratio, "x", 0.75) if of["profile"] == "real" else shown(name, ratio, "x")
        )


def own_calls(own: Sequence[Record]) -> Iterator[Figure]:
    """Count the calls of ami-pipeline at real latencies, and their growth with the group."""
    found = {
        size: median_of(select(own, profile="real", scenario=GOOD, members=size), "own_calls")
        for size in SIZES
    }
    few, many = found[10], found[100]
    if few is not None:
        yield at_most("promote: own calls, 10 members", few, "calls", 45)
    if few is not None and many is not None:
        yield at_most("promote: own calls more, 10 to 100 members", many - few, "calls", 5)


def rollbacks(own: Sequence[Record]) -> Iterator[Figure]:
    """Compare a rollback to a warm group with a promotion."""
    for record in select(own, scenario=ROLLBACK):
        of = {"profile": record["profile"], "scenario": GOOD, "members": record["members"]}
        promoted = median_of(select(own, **of), "seconds")
        name = f"warm rollback, {LATENCIES[record['profile']]}"
        if record["back"] is not None and promoted:
            ratio = record["back"] / promoted
            is_real = record["profile"] == "real"
            over = f"{name}: until the old group has all traffic, over promote"
            yield at_most(over, ratio, "x", 0.15) if is_real else shown(over, ratio, "x")
            yield shown(f"{name}: until the old group has all traffic", record["back"], "s")
        whole = f"{name}: the whole command"
        seconds = record["seconds"]
        is_real = record["profile"] == "real"
        yield at_most(whole, seconds, "s", 8) if is_real else shown(whole, seconds, "s")


def phase_seconds(own: Sequence[Record]) -> Iterator[Figure]:
    """Return the seconds of each phase and Terraform command of a good release of three members."""
    for profile in ("real", "none"):
        runs = select(own, profile=profile, scenario=GOOD, members=3)
        name = f"promote, 3 members, {LATENCIES[profile]}"
        for phase in dict.fromkeys(phase for run in runs for phase in run["phases"]):
            seconds = median(run["phases"].get(phase, 0.0) for run in runs)
            yield shown(f"{name}: {phase}", seconds, "s")
        for verb in ("plan", "apply"):
            if runs:
                yield shown(
                    f"{name}: in terraform {verb}", median(terraform(r, verb) for r in runs), "s"
                )


def terraform(record: Record, verb: str) -> float:
    """Return the seconds that a run spent in a Terraform command."""
    return float(sum(seconds for result, seconds in record["terraform"] if result == verb))
