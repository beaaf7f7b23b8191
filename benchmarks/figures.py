"""Measured values and their goals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value and its goal (`at most` or `at least`)."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool


def at_most(name: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that should be small."""
    return Figure(
        name=name, value=round(value, 3), unit=unit, goal=f"<= {goal:g}", met=value <= goal
    )


def at_least(name: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that should be large."""
    return Figure(
        name=name, value=round(value, 3), unit=unit, goal=f">= {goal:g}", met=value >= goal
    )


def shown(name: str, value: float, unit: str) -> Figure:
    """Return a figure without a goal, for explanation."""
    return Figure(name=name, value=round(value, 3), unit=unit, goal="", met=True)


def timed(action: Callable[[], Any]) -> float:
    """Return the seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def in_turn(
    pairs: int, first: Callable[[], Any], second: Callable[[], Any], *, warm: bool = True
) -> tuple[float, float]:
    """Return the median seconds of two actions run A B A B ..., with `warm` after one of each."""
    if warm:
        first()
        second()
    times = [(timed(first), timed(second)) for _ in range(pairs)]
    return median(one for one, _ in times), median(two for _, two in times)
