"""What a step of the demo is, and whether it ended as it was told to.

Nothing here prints or runs: the timeline is drawn from it, and the exit code follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.demo.load import Answer, Load


class OtherwiseError(Exception):
    """A step ended otherwise than told."""


@dataclass(kw_only=True)
class Step:
    """A step: times are monotonic seconds; `outcome` is empty until it ended as told."""

    name: str
    began: float
    ended: float = 0.0
    outcome: str = ""


@dataclass(kw_only=True)
class Record:
    """The steps so far and the load they were taken under, once there is any."""

    began: float
    steps: list[Step] = field(default_factory=list)
    load: Load | None = None

    @property
    def answers(self) -> list[Answer]:
        """Every request so far and what came of it."""
        return self.load.answers if self.load else []

    @property
    def failures(self) -> list[Answer]:
        """The requests that no version answered."""
        return [answer for answer in self.answers if answer.error]

    def during(self, step: Step) -> list[Answer]:
        """Return the requests sent from a step's beginning to the beginning of the next."""
        later = [other.began for other in self.steps if other.began > step.began]
        until = min(later, default=float("inf"))
        return [answer for answer in self.answers if step.began <= answer.at < until]

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; whoever performs it says its outcome, else it did not end as told."""
        step = Step(name=name, began=time.monotonic())
        self.steps.append(step)
        try:
            yield step
        finally:
            step.ended = time.monotonic()
