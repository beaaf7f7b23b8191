"""What deployments did: the journal's entries, and questions about those that are over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipeline.core.deployment import Deployment, Kind, Result
from pipeline.core.model import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a deployment's journal: an intent before a side effect, or its result.

    `n` counts from 1; `at` is UTC, ISO 8601; `epoch` is that of the lease it was written under.
    """

    n: int
    at: str
    kind: Literal["intent", "result"]
    step: str
    epoch: int = 0
    facts: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)


def unfinished(journal: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the intents without a result of the same step: what the world must be asked about."""
    open_: list[Entry] = []
    for entry in journal:
        if entry.kind == "intent":
            open_.append(entry)
        elif match := next((each for each in reversed(open_) if each.step == entry.step), None):
            open_.remove(match)
    return tuple(open_)


def seconds(deployment: Deployment) -> float | None:
    """Return how long a deployment took, or None while it runs."""
    if not deployment.ended:
        return None
    began, ended = map(datetime.fromisoformat, (deployment.began, deployment.ended))
    return (ended - began).total_seconds()


def last_rollback(deployments: Iterable[Deployment]) -> Deployment | None:
    """Return the newest rollback that ended well, of deployments that are newest first."""
    for each in deployments:
        outcome = each.outcome
        if each.kind is Kind.ROLLBACK and outcome and outcome.result is Result.PROMOTED:
            return each
    return None
