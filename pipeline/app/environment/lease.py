"""The lease on one environment: who holds it, taking it, and breaking it.

This is apart from `lock.py`, the command: every command that changes an environment uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import Clock, HeldLease, LeaseManager
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.errors import LeaseHeldError
from pipeline.core.events import Message
from pipeline.core.state.environment import Environment
from pipeline.core.state.lease import format_holder
from pipeline.core.times import format_time

Done = TypeVar("Done")
POLL: Final = 5.0
"""Seconds between two reads of the store while another run holds the lease."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentLease:
    """The lease on the environment of a reader, for this process.

    `until` is for how long to wait for another run to release it, by the pace's clock; None: not
    at all. A signal in that wait raises KeyboardInterrupt.
    """

    reader: EnvironmentReader
    until: float | None = None

    def require_free(self) -> None:
        """Raise LeaseHeldError if another run holds the lease; reads the store only."""
        self._wait(lambda: self._manager.require_free(self.reader.key))

    def require_over(self, document: Environment) -> None:
        """Raise LeaseHeldError if the lease in this document is still valid."""
        self._manager.require_over(document)

    def take(self, command: str) -> HeldLease:
        """Take the lease for a command; raises LeaseHeldError if another run holds it."""
        shown = commands.of_environment(command, self.reader.environment)
        return self._wait(lambda: self._manager.take(self.reader.key, shown))

    def read(self) -> tuple[Environment, str]:
        """Return the document, and why its lease has ended; empty for a valid lease or none."""
        return self._manager.standing(self.reader.key)

    def break_(self, epoch: int) -> Environment:
        """End another run's lease; raises RefusedError if a lease of another epoch is there."""
        return self._manager.break_(self.reader.key, epoch)

    def _wait(self, action: Callable[[], Done]) -> Done:
        """Repeat an action until no other run holds the lease, or until the time is over."""
        holder = ""
        while True:
            try:
                return action()
            except LeaseHeldError:
                left = self.until - self.reader.pace.clock() if self.until is not None else 0.0
                if left <= 0:
                    raise
                if (found := self._holder()) and found != holder:
                    holder = found
                    self.reader.app.report(Message(text=f"waiting for {found}; Ctrl-C ends that"))
                self.reader.app.interrupts.sleep(min(POLL, left))

    def _holder(self) -> str:
        lease = self.reader.document().lease
        if lease is None:
            return ""
        command = lease.command.removeprefix("ami-pipeline ")
        since = format_time(lease.since, self.reader.now().astimezone())
        doing = f", which runs {command} since {since}" if command else f" since {since}"
        return format_holder(lease) + doing

    @property
    def _manager(self) -> LeaseManager:
        app = self.reader.app
        return LeaseManager(
            environments=self.reader.documents,
            owner=runner(app.environ),
            report=app.report,
            clock=Clock(now=self.reader.now),
        )
