"""The lease on one environment: who holds it, taking it, and breaking it.

This is apart from `lock.py`, the command: every command that changes an environment uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import Clock, HeldLease, LeaseManager
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True)
class EnvironmentLease:
    """The lease on the environment of a reader, for this process."""

    reader: EnvironmentReader

    def require_free(self) -> None:
        """Raise LeaseHeldError if another run holds the lease; reads the store only."""
        self._manager.require_free(self.reader.key)

    def require_over(self, document: Environment) -> None:
        """Raise LeaseHeldError if the lease in this document is still valid."""
        self._manager.require_over(document)

    def take(self, command: str) -> HeldLease:
        """Take the lease for a command; raises LeaseHeldError if another run holds it."""
        shown = commands.of_environment(command, self.reader.environment)
        return self._manager.take(self.reader.key, shown)

    def read(self) -> tuple[Environment, str]:
        """Return the document, and why its lease has ended; empty for a valid lease or none."""
        return self._manager.standing(self.reader.key)

    def break_(self, epoch: int) -> Environment:
        """End another run's lease; raises RefusedError if a lease of another epoch is there."""
        return self._manager.break_(self.reader.key, epoch)

    @property
    def _manager(self) -> LeaseManager:
        app = self.reader.app
        return LeaseManager(
            environments=self.reader.documents,
            owner=runner(app.environ),
            report=app.report,
            clock=Clock(now=self.reader.now),
        )
