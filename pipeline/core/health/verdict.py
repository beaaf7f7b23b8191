"""The three answers to "is it so yet?", shared by everything that is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Healthy:
    """It is so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progressing:
    """Not yet; `reason` is one line for people."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """It will never be so; `reason` is in AWS's own words where there are any."""

    reason: str


Verdict = Healthy | Progressing | Failed
