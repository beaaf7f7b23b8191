"""The fleet: which releases have a server group, and which of them serve."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The names of the releases with a server group, serving and detached."""

    serving: frozenset[str] = frozenset()
    detached: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every release that has a group."""
        return self.serving | self.detached

    def serve(self, release: str) -> Fleet:
        """Return the fleet in which this release also serves."""
        return replace(self, serving=self.serving | {release}, detached=self.detached - {release})
