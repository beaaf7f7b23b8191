"""Define how a deployment moves the traffic: its strategy, and the steps of a canary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

STEP = "step-"
"""What begins the names of a canary's phases: step-1, step-2, ..."""


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
