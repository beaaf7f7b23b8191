"""Decide how certain a result must be, for as many comparisons and readings as there are.

A phase is judged once a minute, in several comparisons. Each is another chance of a false alarm.
Bonferroni's bound divides the level among them, and holds for comparisons that depend on each
other, too (Bland and Altman, BMJ 310:170).
"""

from __future__ import annotations

FALSE_ALARM = 0.01
"""The probability at most of a failure in a phase, if green is just as much worse as tolerated."""
PASS_LEVEL = 0.05
"""The probability at most of a pass, if green is worse by what a pass excludes."""
SMALLEST_SHOWN = 0.001


def failure_level(comparisons: int, readings: int) -> float:
    """Return the level of one comparison at one reading."""
    return FALSE_ALARM / (max(1, comparisons) * max(1, readings))


def shown_level(probability: float) -> str:
    """Return a probability as reports write it, such as `p < 0.001`."""
    if probability < SMALLEST_SHOWN:
        return f"p < {SMALLEST_SHOWN}"
    return f"p = {probability:.2g}"
