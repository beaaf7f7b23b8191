"""Define how a deployment moves the traffic: its strategy, and the steps of a canary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

STEP = "step-"
"""What begins the names of a canary's phases: step-1, step-2, ..."""


BATCH = "batch-"
"""What begins the names of the phases of `batches`: batch-2, batch-3, ..."""
MOST_BATCHES = 10


class Strategy(StrEnum):
    """How traffic moves from blue to green."""

    OVERLAP = "overlap"
    FLIP = "flip"
    CANARY = "canary"
    BATCHES = "batches"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a canary: how much green gets, and for how long, in seconds.

    Either `weight`, the percent of new requests, or `members`, their number, or `percent` of
    blue's members. With `pause`, a person must let the deployment continue after it.
    """

    seconds: float
    weight: int = 0
    members: int = 0
    percent: int = 0
    pause: bool = False

    def size(self, whole: int) -> int:
        """Return how many members green has if blue has `whole`: at least one."""
        part = self.members or ceil(whole * self.percent / 100)
        return max(1, min(part, whole)) if part else whole

    def describe(self) -> str:
        """Return what green gets, in words."""
        if self.weight:
            return f"{self.weight} %"
        if self.percent:
            return f"{self.percent} % of the members"
        return f"{self.members} member{'' if self.members == 1 else 's'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """How green grows and blue shrinks in turn; capacity never falls below `min_healthy` percent.

    The sizes are shares of blue's own size before the first reduction, `whole`.
    """

    min_healthy: int

    @property
    def count(self) -> int:
        """How many batches there are: as large as `min_healthy` allows, at most ten."""
        return ceil(100 / max(100 / MOST_BATCHES, 100 - self.min_healthy))

    def green(self, number: int) -> Step:
        """Return what green has after a batch; the first one is launched."""
        return Step(seconds=0.0, percent=min(100, ceil(100 * number / self.count)))

    def blue(self, number: int, whole: int) -> int:
        """Return blue's size while green grows to a batch: one member at least is left to serve."""
        return max(1, whole - self.green(number - 1).size(whole) - (whole - self.least(whole)))

    def least(self, whole: int) -> int:
        """Return how many healthy members both must have together."""
        return ceil(whole * self.min_healthy / 100)
