"""Report the results of the crash suite as figures and as text; CI shows the last line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from tests.crash.case import Case, CaseResult
from tests.crash.planning import RecordedScenario

LAST_LINE = "last line"
"""The property of a test that pytest shows at the end of the run."""
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
    recorded: Sequence[RecordedScenario],
    cases: Sequence[Case],
    results: Sequence[CaseResult],
    seconds: float,
) -> dict[str, Any]:
    """Return all figures."""
    return {
        "seconds": round(seconds, 1),
        "scenarios": [
            {
                "scenario": each.scenario,
                "kind": each.kind,
                "store": each.store,
                "boundaries": len(each.boundaries),
                "moments": len(each.moments),
                **figures([one for one in results if one.name.startswith(prefix(each))]),
            }
            for each in recorded
        ],
        "all": {
            "boundaries": sum(len(each.boundaries) for each in recorded),
            "moments": sum(len(each.moments) for each in recorded),
            "planned": len(cases),
            **figures(results),
        },
        "runs": [
            [each.name, each.killed, each.faulted, round(each.seconds, 2)] for each in results
        ],
    }


def prefix(recorded: RecordedScenario) -> str:
    return f"{recorded.scenario}|{recorded.kind}|{recorded.store}|"


def figures(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the sums of some runs, and the times of their fixing commands."""
    times = sorted(each.seconds for each in results)
    return {
        "runs": len(results),
        "kills": sum(each.killed for each in results),
        "faults": sum(each.faulted for each in results),
        "untouched": sum(not each.killed and not each.faulted for each in results),
        "violations": sum(len(each.violations) for each in results),
        "requests": sum(each.requests for each in results),
        "failed": sum(each.failed for each in results),
        "orphans": sum(each.orphans for each in results),
        "fixed": {
            name: round(percentile(times, share), 2)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
    }


def percentile(times: Sequence[float], share: float) -> float:
    """Return a percentile of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


def violation(result: CaseResult) -> str:
    """Return the violations of a run, and the command that repeats it."""
    lines = [result.name, *(f"  {each}" for each in result.violations)]
    again = f"python -m tests.crash --replay {shlex.quote(result.name)}"
    return "\n".join([*lines, f"  repeat: {again}", result.output, ""])


def text(summary: dict[str, Any]) -> str:
    """Return the table and the last line."""
    lines = [f"| {' | '.join(COLUMNS)} | fixed p50, p99, max |", "|" + " --- |" * 10]
    for each in summary["scenarios"]:
        took = ", ".join(f"{each['fixed'][name]:.1f}" for name in ("p50", "p99", "max"))
        cells = (each[name] for name in COLUMNS)
        lines.append(f"| {' | '.join(map(str, cells))} | {took} s |")
    total = summary["all"]
    seconds, missed = summary["seconds"], total["untouched"]
    lines += ["", f"{total['runs']} runs in {seconds:.0f} s; {missed} never reached their boundary"]
    return "\n".join([*lines, last_line(total)]) + "\n"


def last_line(total: dict[str, Any]) -> str:
    """Return the summary line that CI shows."""
    return (
        f"crash: {total['boundaries']} boundaries, {total['kills']} kills, "
        f"{total['violations']} violations, {total['requests']} requests, {total['failed']} failed"
    )
