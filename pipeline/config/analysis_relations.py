"""Check [promote.analysis] against what an environment's load balancers measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.config.promote.analysis import AnalysisSettings
from pipeline.core.times import format_duration
from pipeline.core.validation import values
from pipeline.core.validation.deployment_values import DEFAULT_PAUSES, PAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.config.lines import Key

_Table: TypeAlias = "Mapping[str, Any]"
Found: TypeAlias = "Iterator[tuple[Key, str, str]]"
"""A key, what is wrong with it, and what to do."""

ENTRIES = ("load_balancers", "target_groups", "pairs")
NETWORK = (":listener/net/", ":listener-rule/net/")
LATE_MINUTES = 3
"""Minutes of a phase that no analysis has: the first and the last part of one, and a late one."""
DEFAULT_DEADLINE = "15m"


def check_analysis(key: Key, environment: _Table, base: _Table, over: _Table) -> Found:
    """Find an analysis that its environment cannot supply with metrics or with time.

    `base` is [promote], `over` what the environment has of its own.
    """
    own = _table(over, "analysis")
    analysis = {**_table(base, "analysis"), **own}
    if analysis.get("enabled") is not True:
        return
    where: Key = (*key, "promote", "analysis") if own else ("promote", "analysis")
    compare = analysis.get("compare", ("5xx",))
    if not compare and not analysis.get("metrics"):
        yield (*where, "compare"), "is empty, and there are no metrics to judge", _OFF
    if compare:
        yield from _check_entries(where, key, environment)
    yield from _check_metrics(where, analysis)
    deadlines = {**_table(base, "deadlines"), **_table(over, "deadlines")}
    yield from _check_times(where, {**base, **over, "deadlines": deadlines}, analysis)


_OFF = "set enabled = false"
_NOTHING = "set compare = [] to judge only its metrics, or enabled = false"


def _check_entries(where: Key, key: Key, environment: _Table) -> Found:
    name = ".".join(map(str, key))
    own = f"in [{name}.promote.analysis], "
    if not any(environment.get(each) for each in ENTRIES):
        what = f"[{name}] has no load balancer, so there is no 5xx and no latency to compare"
        yield where, what, own + _NOTHING
    for number, pair in enumerate(_tables(environment, "pairs")):
        rule = pair.get("listener_rule") or pair.get("listener")
        if isinstance(rule, str) and any(each in rule for each in NETWORK):
            what = "is behind a network load balancer, which measures no 5xx and no latency"
            yield (*key, "pairs", number), what, own + _NOTHING


def _check_metrics(where: Key, analysis: _Table) -> Found:
    for number, metric in enumerate(_tables(analysis, "metrics")):
        if "above" not in metric and "below" not in metric:
            what = "has no limit"
            yield (*where, "metrics", number), what, "write above = NUMBER or below = NUMBER"


def _check_times(where: Key, promote: _Table, analysis: _Table) -> Found:
    """Find phases that end before there are enough minutes, and settings without such a phase."""
    minutes = analysis.get("min_minutes", AnalysisSettings.model_construct().min_minutes)
    if not isinstance(minutes, int):
        return
    needed = 60.0 * (minutes + LATE_MINUTES)
    deadline = _seconds(promote.get("deadline", DEFAULT_DEADLINE)) or needed
    pauses = {**DEFAULT_PAUSES, **promote}
    lengths = {phase: _seconds(pauses.get(pause)) for pause, phase in PAUSES.items()}
    if promote.get("steps"):
        lengths["step"] = None
    if not any(length != 0 for length in lengths.values()):
        yield where, "has no effect: soak and observe are 0s, and there are no steps", _OFF
    for phase, length in lengths.items():
        own = _seconds(_table(promote, "deadlines").get(phase))
        limit = own if own is not None else deadline + (length or 0)
        if length != 0 and limit < needed:
            what = (
                f"{minutes} complete minutes take up to {format_duration(needed)}, "
                f"and the time limit of {phase} is {format_duration(limit)}"
            )
            yield where, what, f"raise deadlines.{phase}, or lower min_minutes"


def _seconds(value: object) -> float | None:
    """Return the seconds of a duration, or None for an invalid one, which the model reports."""
    try:
        return values.check_pause(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _table(table: _Table, name: str) -> _Table:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def _tables(table: _Table, name: str) -> list[_Table]:
    found = table.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
