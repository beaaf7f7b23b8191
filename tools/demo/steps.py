"""The steps of the demo and their outcomes.

This module neither prints nor runs anything; the timeline and the exit code are computed from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.load import Load, Result


class DemoError(Exception):
    """A step did not end as expected."""


@dataclass(kw_only=True)
class Step:
    """A step: times are monotonic seconds; `outcome` is empty until it ended as expected."""

    name: str
    began: float
    ended: float = 0.0
    outcome: str = ""


@dataclass(kw_only=True)
class Record:
    """The steps so far, and the load under which they ran."""

    began: float
    steps: list[Step] = field(default_factory=list)
    load: Load | None = None

    @property
    def answers(self) -> list[Result]:
        """Return the results of all requests so far."""
        return self.load.results if self.load else []

    @property
    def failures(self) -> list[Result]:
        """Return the requests that failed."""
        return [answer for answer in self.answers if answer.error]

    def during(self, step: Step) -> list[Result]:
        """Return the requests between the start of a step and the start of the next one."""
        later = [other.began for other in self.steps if other.began > step.began]
        until = min(later, default=float("inf"))
        return [answer for answer in self.answers if step.began <= answer.at < until]

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; the block sets its outcome, unless the step did not end as expected."""
        step = Step(name=name, began=time.monotonic())
        self.steps.append(step)
        try:
            yield step
        finally:
            step.ended = time.monotonic()
