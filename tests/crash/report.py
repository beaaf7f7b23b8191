"""What a crash suite found, as figures and as text; its last line is for whoever watches CI."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from tests.crash.case import Case, Played
from tests.crash.planning import Recorded

LAST_LINE = "last line"
"""The property of a test that is shown at the end of the run."""
COLUMNS = (
    "scenario",
    "kind",
    "store",
    "boundaries",
    "kills",
    "faults",
    "requests",
    "failed",
    "orphans",
)


def summary(
    recorded: Sequence[Recorded], plays: Sequence[Case], played: Sequence[Played], seconds: float
) -> dict[str, Any]:
    """Return the figures."""
    return {
        "seconds": round(seconds, 1),
        "scenarios": [
            {
                "scenario": each.scenario,
                "kind": each.kind,
                "store": each.store,
                "boundaries": len(each.boundaries),
                "moments": len(each.moments),
                **figures([one for one in played if one.name.startswith(prefix(each))]),
            }
            for each in recorded
        ],
        "all": {
            "boundaries": sum(len(each.boundaries) for each in recorded),
            "moments": sum(len(each.moments) for each in recorded),
            "planned": len(plays),
            **figures(played),
        },
        "runs": [[each.name, each.died, each.struck, round(each.seconds, 2)] for each in played],
    }


def prefix(recorded: Recorded) -> str:
    return f"{recorded.scenario}|{recorded.kind}|{recorded.store}|"


def figures(played: Sequence[Played]) -> dict[str, Any]:
    """Return the sums of some runs, and how long their mending took."""
    times = sorted(each.seconds for each in played)
    return {
        "runs": len(played),
        "kills": sum(each.died for each in played),
        "faults": sum(each.struck for each in played),
        "untouched": sum(not each.died and not each.struck for each in played),
        "violations": sum(len(each.violations) for each in played),
        "requests": sum(each.requests for each in played),
        "failed": sum(each.failed for each in played),
        "orphans": sum(each.orphans for each in played),
        "mended": {
            name: round(percentile(times, share), 2)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
    }


def percentile(times: Sequence[float], share: float) -> float:
    """Return the time within which this share of all was over."""
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


def violation(played: Played) -> str:
    """Tell what was violated, and how it is played again."""
    lines = [played.name, *(f"  {each}" for each in played.violations)]
    again = f"python -m tests.crash --replay {shlex.quote(played.name)}"
    return "\n".join([*lines, f"  again: {again}", played.said, ""])


def text(summary: dict[str, Any]) -> str:
    """Return the table and the last line."""
    lines = [f"| {' | '.join(COLUMNS)} | mended p50, p99, max |", "|" + " --- |" * 10]
    for each in summary["scenarios"]:
        took = ", ".join(f"{each['mended'][name]:.1f}" for name in ("p50", "p99", "max"))
        cells = (each[name] for name in COLUMNS)
        lines.append(f"| {' | '.join(map(str, cells))} | {took} s |")
    total = summary["all"]
    seconds, missed = summary["seconds"], total["untouched"]
    lines += ["", f"{total['runs']} runs in {seconds:.0f} s; {missed} never came to their boundary"]
    return "\n".join([*lines, last_line(total)]) + "\n"


def last_line(total: dict[str, Any]) -> str:
    """Return the line for whoever watches CI."""
    return (
        f"crash: {total['boundaries']} boundaries, {total['kills']} kills, "
        f"{total['violations']} violations, {total['requests']} requests, {total['failed']} failed"
    )
