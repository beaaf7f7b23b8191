"""Decide the state of an alarm on a metric from its newest datapoints.

Source: CloudWatch User Guide, "Using Amazon CloudWatch alarms" and "Configuring how CloudWatch
alarms treat missing data", whose tables the tests hold.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

State: TypeAlias = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Slot: TypeAlias = tuple[float, float] | None
"""The time of a datapoint, in seconds since the epoch, and its value; None if it is missing."""

MORE = 2
"""Periods that are read beyond the evaluation periods, for datapoints in place of missing ones."""

OPERATORS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Criteria:
    """What an alarm compares: `required` of the newest `periods` datapoints must breach."""

    periods: int
    required: int
    comparison: str
    threshold: float
    missing: str = "missing"  # missing, ignore, breaching, notBreaching

    def breaches(self, value: float) -> bool:
        """Return True if a value breaches the threshold."""
        return OPERATORS[self.comparison][0](value, self.threshold)


def judged(criteria: Criteria, slots: Sequence[Slot], state: State) -> State:
    """Return the next state, from the newest `periods` + `MORE` datapoints, oldest first."""
    found = [criteria.breaches(slot[1]) for slot in slots if slot is not None]
    newest = found[-criteria.periods :]
    bad, absent = sum(newest), criteria.periods - len(newest)
    if criteria.missing == "breaching":
        bad += absent
    if bad >= criteria.required:
        return "ALARM"
    undecided = absent and all(found) and criteria.missing in {"missing", "ignore"}
    if not undecided:
        return "OK"
    if criteria.missing == "ignore":
        return state
    if not found:
        return "INSUFFICIENT_DATA"
    return "ALARM" if is_old(criteria, slots) else "OK"


def is_old(criteria: Criteria, slots: Sequence[Slot]) -> bool:
    """Return True if the oldest datapoint is at least as old as the datapoints to alarm.

    All newer ones breach or are missing then, so the alarm does not wait for more of them
    ("Avoiding premature transitions to alarm state").
    """
    oldest = next(n for n, slot in enumerate(slots) if slot is not None)
    return len(slots) - oldest >= criteria.required


def reason(criteria: Criteria, slots: Sequence[Slot], before: State, after: State) -> str:
    """Return the reason of a transition in CloudWatch's words."""
    newest = [slot for slot in slots if slot is not None][-criteria.periods :]
    if after == "INSUFFICIENT_DATA":
        unknown = plural(criteria.periods, "datapoint")
        return f"Insufficient Data: {unknown} {verb(criteria.periods)} unknown."
    if not newest:
        periods, absent = plural(criteria.periods, "period"), criteria.periods
        treated = "Breaching" if criteria.missing == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {periods} and "
            f"{plural(absent, 'missing datapoint')} {verb(absent)} treated as [{treated}]."
        )
    wanted = after == "ALARM"
    listed = [slot for slot in newest if criteria.breaches(slot[1]) == wanted] or newest
    shown = ", ".join(f"{value} ({moment(at)})" for at, value in reversed(listed))
    needed = criteria.required if wanted else criteria.periods - criteria.required + 1
    negated = "" if wanted else "not "
    return (
        f"Threshold Crossed: {len(listed)} out of the last {len(newest)} datapoints "
        f"[{shown}] {verb(len(listed))} {negated}{OPERATORS[criteria.comparison][1]} the threshold "
        f"({criteria.threshold}) (minimum {plural(needed, 'datapoint')} for {before} -> {after} "
        "transition)."
    )


def moment(at: float) -> str:
    """Return a time as CloudWatch's reasons show it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")


def plural(count: int, noun: str) -> str:
    """Return the count with its noun."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def verb(count: int) -> str:
    """Return the verb that fits a count."""
    return "was" if count == 1 else "were"
