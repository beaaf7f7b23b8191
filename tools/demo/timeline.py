"""The table at the end of the demo: the steps, their outcomes, and the responses by version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tools.demo.steps import Record, Step
from tools.load import Result

HEAD = ("start", "duration", "step", "outcome", "responses by version")
RIGHT_ALIGNED = {0, 1}
"""The columns of figures."""


def timeline(record: Record) -> str:
    """Return the steps as a table."""
    rows = [HEAD, *(_row(record, step) for step in record.steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def last_line(record: Record) -> str:
    """Return the summary line."""
    served = len(record.answers) - len(record.failures)
    return f"demo: {served} requests served, {len(record.failures)} failed"


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds (1:30)."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return seconds as a duration (1m 30s)."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def by_version(results: Iterable[Result]) -> Counter[str]:
    """Count the responses by version; requests that failed count as "failed"."""
    return Counter(result.version or "failed" for result in results)


def _row(record: Record, step: Step) -> tuple[str, ...]:
    answers = by_version(record.during(step))
    return (
        clock(step.began - record.began),
        duration(step.ended - step.began),
        step.name,
        step.outcome or "UNEXPECTED",
        ", ".join(f"{version}: {count}" for version, count in sorted(answers.items())),
    )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if column in RIGHT_ALIGNED else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
