"""The end of the demo: what was done when, how it ended, who answered meanwhile."""

from __future__ import annotations

from tools.demo.load import by_version
from tools.demo.steps import Record, Step

HEAD = ("began", "took", "step", "ended", "answered meanwhile")
RIGHT = {0, 1}
"""Columns of figures."""


def timeline(record: Record) -> str:
    """Return the steps as a table."""
    rows = [HEAD, *(_row(record, step) for step in record.steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def last_line(record: Record) -> str:
    """Return the sum of it."""
    served = len(record.answers) - len(record.failures)
    return f"demo: {served} requests served, {len(record.failures)} failed"


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _row(record: Record, step: Step) -> tuple[str, ...]:
    answers = by_version(record.during(step))
    return (
        clock(step.began - record.began),
        f"{step.ended - step.began:.0f} s",
        step.name,
        step.outcome or "NOT AS TOLD",
        ", ".join(f"{version}: {count}" for version, count in sorted(answers.items())),
    )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if column in RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
