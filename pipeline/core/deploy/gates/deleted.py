"""The gates of `retire` and `delete`: groups do not exist any longer, or are removed later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.freshness import Write
from pipeline.core.health import assessment
from pipeline.core.health.verdict import Verdict
from pipeline.core.state.deployment import Policy


@dataclass(frozen=True, slots=True)
class Deleted(Gate):
    """AWS does not describe the groups any longer."""

    unwanted: frozenset[str]
    reads_targets: ClassVar[bool] = False

    @property
    def releases(self) -> frozenset[str]:
        """The releases of the groups."""
        return self.unwanted

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A group that was just created may not be described yet."""
        return dict.fromkeys(self.unwanted, (Write.CREATE,))

    def proofs(self, policy: Policy) -> int:
        """Return how many observations without a group it takes."""
        return assessment.DELETED_OBSERVATIONS

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every group is deleted."""
        return assessment.deleted(map(wait.group, sorted(self.unwanted)), wait.history)

    def describe(self, policy: Policy) -> str:
        """Name the releases."""
        names = " ".join(sorted(self.unwanted))
        return f"{names} deleted" if names else "nothing to delete"


@dataclass(frozen=True, slots=True)
class RemovedLater(Deleted):
    """A later command removes the groups."""

    is_later: ClassVar[bool] = True

    def describe(self, policy: Policy) -> str:
        """Name the releases."""
        return f"removal of {' '.join(sorted(self.unwanted))} pending"
