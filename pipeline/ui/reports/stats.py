"""Render the figures of environments: a table, and what each figure counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.stats.figures import Figures, Spread
from pipeline.core.times import format_duration
from pipeline.ui.text import one_line, table

_TITLES = ("ENVIRONMENT", "DEPLOYMENTS", "LEAD TIME", "FAILURE RATE", "TIME TO RESTORE")


def stats_text(found: Sequence[Figures], now: datetime) -> str:
    """Return the period, one line for each environment, and what is not counted."""
    if not found:
        return f"no environments: pipeline.toml has no [environments.NAME]\nnext: {commands.docs()}"
    since = datetime.fromisoformat(found[0].since).astimezone(now.tzinfo)
    lines = [f"since {since.isoformat(sep=' ', timespec='minutes')}; times are medians", ""]
    lines += table([_TITLES, *map(_row, found)])
    notes = [f"{each.environment}: {note}" for each in found for note in _notes(each)]
    lines += ["", *map(one_line, notes)] if notes else []
    return "\n".join([*lines, "", f"definitions: {commands.docs('stats')}"])


def _row(figures: Figures) -> tuple[str, ...]:
    rate = figures.failure_rate
    lead = figures.lead if figures.lead.count else figures.bake
    return (
        figures.environment,
        f"{figures.deployments} ({figures.per_week:.1f}/week)" if figures.deployments else "0",
        _median(lead),
        "-" if rate is None else f"{rate:.1%} ({figures.failed} of {figures.counted})",
        _median(figures.restore),
    )


def _median(spread: Spread) -> str:
    return "-" if spread.median is None else format_duration(spread.median)


def _notes(figures: Figures) -> Iterator[str]:
    """Yield what the line of an environment does not say."""
    lead, bake = figures.lead, figures.bake
    if lead.count:
        yield f"lead time of {_count(lead, 'commit')}, {_most(lead)}"
    if bake.count:
        beside = "" if lead.count else "lead time "
        yield f"{beside}from the bake of {_count(bake, 'deployment')}, {_most(bake)}"
    if figures.without_traffic:
        yield f"not counted: {figures.without_traffic} failed before the release had traffic"


def _count(spread: Spread, noun: str) -> str:
    return f"{spread.count} {noun}{'' if spread.count == 1 else 's'}"


def _most(spread: Spread) -> str:
    return f"90 % within {format_duration(spread.most or 0.0)}"


def stats_document(found: Sequence[Figures]) -> dict[str, Any]:
    """Return the figures for a program; durations are seconds, None if nothing was measured."""
    return {"environments": [_document(each) for each in found]}


def _document(figures: Figures) -> dict[str, Any]:
    return {
        "environment": figures.environment,
        "since": figures.since,
        "until": figures.until,
        "deployments": figures.deployments,
        "deployments_per_week": round(figures.per_week, 3),
        "lead_time": _spread(figures.lead),
        "lead_time_from_bake": _spread(figures.bake),
        "change_failure_rate": figures.failure_rate,
        "failed": figures.failed,
        "counted": figures.counted,
        "failed_without_traffic": figures.without_traffic,
        "time_to_restore": _spread(figures.restore),
    }


def _spread(spread: Spread) -> dict[str, Any]:
    return {"count": spread.count, "median": spread.median, "p90": spread.most}
