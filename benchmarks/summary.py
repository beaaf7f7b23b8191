"""What the runs of a campaign come to: the figures with their goals.

Pure: records in, figures out. Apart from `deployments`, which makes the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.figures import Figure, at_most, shown

Record = Mapping[str, Any]
GOOD, ROLLBACK = "good", "rollback"
SIZES = (3, 10, 100)
LATENCIES = {"real": "real latencies", "none": "no latencies"}


def figures(records: Sequence[Record]) -> list[Figure]:
    """Return every figure that these records allow."""
    ours = [each for each in records if each["way"] == "ours"]
    return [
        *walls(records),
        *own_calls(ours),
        *rollbacks(ours),
        *spent(ours),
        at_most("promote: failed requests, all runs", sum(r["failed"] for r in ours), "", 0),
        at_most("promote: peak memory of our process", max(r["memory"] for r in ours), "MiB", 90),
    ]


def chosen(records: Sequence[Record], **how: object) -> list[Record]:
    """Return the records of these values, without another number of looks unless it is named."""
    wanted = {"looks": 1, **how}
    return [r for r in records if all(r[name] == value for name, value in wanted.items())]


def middle(records: Sequence[Record], name: str) -> float | None:
    """Return the median of what some runs needed; None if there were none."""
    values = [each[name] for each in records if each[name] is not None]
    return median(values) if values else None


def walls(records: Sequence[Record]) -> Iterator[Figure]:
    """Compare the wall time of good releases with the recipe's."""
    for profile in ("real", "none"):
        for size in SIZES:
            of = {"profile": profile, "scenario": GOOD, "members": size}
            ours = middle(chosen(records, way="ours", **of), "seconds")
            recipe = middle(chosen(records, way="recipe", **of), "seconds")
            if ours and recipe:
                name = f"promote over the recipe, {size} members, {LATENCIES[profile]}"
                ratio = ours / recipe
                yield (
                    at_most(name, ratio, "x", 1.10)
                    if profile == "real"
                    else shown(name, ratio, "x")
                )
    usual = middle(chosen(records, way="ours", profile="real", looks=3), "decision")
    if usual is not None:
        yield shown("last member healthy to decision with the default 3 looks", usual, "s")


def own_calls(ours: Sequence[Record]) -> Iterator[Figure]:
    """Count our own calls at real latencies, and how they grow with the group."""
    found = {
        size: middle(chosen(ours, profile="real", scenario=GOOD, members=size), "own_calls")
        for size in SIZES
    }
    few, many = found[10], found[100]
    if few is not None:
        yield at_most("promote: own calls, 10 members", few, "calls", 60)
    if few is not None and many is not None:
        yield at_most("promote: own calls more, 10 to 100 members", many - few, "calls", 5)


def rollbacks(ours: Sequence[Record]) -> Iterator[Figure]:
    """Compare the way back to a warm group with the way there."""
    for record in chosen(ours, scenario=ROLLBACK):
        of = {"profile": record["profile"], "scenario": GOOD, "members": record["members"]}
        promoted = middle(chosen(ours, **of), "seconds")
        name = f"warm rollback, {LATENCIES[record['profile']]}"
        if record["back"] is not None and promoted:
            ratio = record["back"] / promoted
            is_real = record["profile"] == "real"
            over = f"{name}: until the old group has all traffic, over promote"
            yield at_most(over, ratio, "x", 0.15) if is_real else shown(over, ratio, "x")
            yield shown(f"{name}: until the old group has all traffic", record["back"], "s")
        yield shown(f"{name}: the whole command", record["seconds"], "s")


def spent(ours: Sequence[Record]) -> Iterator[Figure]:
    """Tell where the seconds of a good release of three go."""
    for profile in ("real", "none"):
        runs = chosen(ours, profile=profile, scenario=GOOD, members=3)
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
    """Return the seconds a run spent in a verb of Terraform."""
    return float(sum(seconds for ran, seconds in record["terraform"] if ran == verb))
