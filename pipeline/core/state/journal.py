"""Define the entries of a deployment's journal: one for each intent and each result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.core.image import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a deployment's journal: an intent before a side effect, or its result.

    `n` counts from 1; `at` is UTC, ISO 8601; `epoch` is the epoch of the writer's lease.
    """

    n: int
    at: str
    kind: Literal["intent", "result"]
    step: str
    epoch: int = 0
    facts: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
