"""What happened, as values: the bake reports these, the interface draws them.

The core never prints. One event type per fact that a person or a log wants to
see; text is already masked when it gets here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """Something was done or found that is worth a line of its own."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStarted:
    """Packer was started on an image of this name; its full output goes to `log`."""

    name: str
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBegan:
    """One build of the template said what it does next."""

    build: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildEnded:
    """Packer ended after `seconds`; that it `succeeded` is its own opinion, not yet ours."""

    seconds: float
    how: Literal["succeeded", "failed", "timed out", "was stopped"]


Event = Noted | BuildStarted | StepBegan | BuildEnded
Report = Callable[[Event], None]
