"""The three verdicts of a gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Healthy:
    """The condition holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progressing:
    """The condition does not hold yet; `reason` is one line for people."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The condition can never hold; `reason` has AWS's own words if there are any."""

    reason: str


Verdict = Healthy | Progressing | Failed
