"""The preamble of every command that changes an environment: promote, rollback and the others.

The order is the same for all of them: the configuration, a free lease, an interrupted deployment,
the command's own requirement, the account, and then the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pipeline.app.application import Application
from pipeline.app.environment import EnvironmentReader
from pipeline.app.interrupted import Interrupted, finish_interrupted, require_allowed
from pipeline.app.lease import EnvironmentLease
from pipeline.app.leased import LeasedEnvironment
from pipeline.core.state.environment import Environment

Requirement = Callable[[EnvironmentReader, Environment], None]
"""Raises RefusedError if the document does not allow the command; called before AWS is."""


def no_requirement(_reader: EnvironmentReader, _document: Environment) -> None:
    """Allow every document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOptions:
    """How a command begins.

    `command` is its name. `finish_first` finishes an interrupted deployment before the command's
    slow work (an image is chosen or baked after it), because nothing may serve meanwhile.
    """

    command: str
    interrupted: Interrupted = Interrupted.FINISH
    finish_first: bool = False


@dataclass(frozen=True, kw_only=True)
class EnvironmentSession:
    """One command's work on one environment, past the preamble."""

    reader: EnvironmentReader
    options: SessionOptions

    @classmethod
    def begin(
        cls,
        app: Application,
        environment: str,
        options: SessionOptions,
        require: Requirement = no_requirement,
    ) -> EnvironmentSession:
        """Return a session once the environment is free and the command may change it.

        Raises ConfigurationError, LeaseHeldError or RefusedError, and KeyboardInterrupt for a
        signal; nothing is changed then.
        """
        reader = EnvironmentReader(app=app, environment=environment)
        session = cls(reader=reader, options=options)
        reader.require_balancers()
        with app.interrupts.heard():
            session.check(require)
            reader.identify()
        if options.finish_first:
            session.finish_first(require)
        return session

    def check(self, require: Requirement) -> None:
        """Raise LeaseHeldError or RefusedError if the command may not begin; reads the store."""
        EnvironmentLease(reader=self.reader).require_free()
        document = self.reader.document()
        require_allowed(document, self.options.interrupted)
        if self._begins_with(document):
            require(self.reader, document)

    def _begins_with(self, document: Environment) -> bool:
        """Return True if this document is the one that the command itself begins with."""
        return document.deployment is None or self.options.interrupted is Interrupted.LEAVE

    def finish_first(self, require: Requirement) -> None:
        """Finish an interrupted deployment under a lease of its own."""
        if self.reader.document().deployment is None:
            return
        with self.lease():
            pass
        require(self.reader, self.reader.document())

    @contextmanager
    def lease(self) -> Iterator[LeasedEnvironment]:
        """Hold the lease for a block; first finish a deployment that was interrupted meanwhile."""
        with EnvironmentLease(reader=self.reader).take(self.options.command) as held:
            leased = LeasedEnvironment(reader=self.reader, held=held)
            finished = finish_interrupted(leased, self.options.interrupted)
            yield replace(leased, finished=finished)
