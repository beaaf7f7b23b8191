"""The preamble of every command that changes an environment: promote, rollback and the others.

The order is the same for all of them: the configuration, no freeze, a free lease, an interrupted
deployment, the command's own requirement, the account, and then the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from pipeline.app.application import Application
from pipeline.app.environment.freezes import FreezeGate
from pipeline.app.environment.interrupted import (
    Interrupted,
    accept_finished,
    finish_interrupted,
    require_allowed,
    require_finished,
)
from pipeline.app.environment.lease import EnvironmentLease
from pipeline.app.environment.leased import LeasedEnvironment, retire_overdue
from pipeline.app.environment.notifying import start_notifying
from pipeline.app.environment.paused import (
    end_overdue,
    paused_error,
    require_not_paused,
    require_thawed,
)
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.unrecorded import find_lost
from pipeline.app.tracing import start_tracing
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Result, result_of
from pipeline.core.state.environment import Environment

Requirement = Callable[[EnvironmentReader, Environment], None]
"""Raises RefusedError if the document does not allow the command; called before AWS is."""


def _speed(speed: float) -> str:
    return (
        f"the local cloud runs at speed {speed:g}: limits and waits count its seconds, "
        "durations count real ones"
    )


Choice = Callable[[EnvironmentReader, Environment], str]
"""Returns the name of a release, or an empty text."""


def no_requirement(_reader: EnvironmentReader, _document: Environment) -> None:
    """Allow every document."""


def no_release(_reader: EnvironmentReader, _document: Environment) -> str:
    """Choose no release."""
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOptions:
    """How a command begins.

    `command` is its name. `finish_first` finishes an interrupted deployment before the command's
    slow work (an image is chosen or baked after it), because nothing may serve meanwhile.
    `rebuilds` says that the command is for a lost document.
    `change_program` allows another program than the one that wrote Terraform's state.
    `ends_pause` says that the command resumes or aborts a paused deployment. `wait` are the seconds
    to wait at most for another run to release the lease, None not to wait. `freeze` says what it
    does in a freeze, None to ignore it. `why` is the reason that a person gave. `plans` says that
    Terraform plans soon. `keeps` chooses a release whose removal may be pending and that stays,
    because the command leads to it.
    """

    command: str
    interrupted: Interrupted = Interrupted.FINISH
    finish_first: bool = False
    rebuilds: bool = False
    change_program: bool = False
    ends_pause: bool = False
    wait: float | None = None
    freeze: FreezeGate | None = None
    why: str = ""
    plans: bool = False
    keeps: Choice = no_release


@dataclass(frozen=True, kw_only=True)
class EnvironmentSession:
    """One command's work on one environment, past the preamble.

    `document` is the environment's document that allowed the command. `until` is how long to wait
    for the lease, by the pace's clock; None: not at all.
    """

    reader: EnvironmentReader
    options: SessionOptions
    document: Environment
    until: float | None = None

    @classmethod
    def begin(
        cls,
        app: Application,
        environment: str,
        options: SessionOptions,
        require: Requirement = no_requirement,
    ) -> EnvironmentSession:
        """Return a session once the environment is free and the command may change it.

        Raises ConfigurationError, also in a CI job whose store would not last, LeaseHeldError or
        RefusedError, and KeyboardInterrupt for a signal; nothing is changed then.
        """
        app.require_lasting_state()
        reader = EnvironmentReader(
            app=app, environment=environment, change_program=options.change_program
        )
        reader.require_known()
        if reader.pace.speed != 1:
            app.report(Message(text=_speed(reader.pace.speed)))
        if options.interrupted is not Interrupted.REFUSE_TO_PLAN:
            start_tracing(app)  # before the clients of AWS are made
        with app.interrupts.heard():
            if options.freeze:
                options.freeze.require(reader)
            until = None if options.wait is None else reader.pace.clock() + options.wait
            EnvironmentLease(reader=reader, until=until).require_free()
            document = _check(reader, options, require)
            if options.plans:
                reader.start_provider(document)
            reader.identify()
            if not options.rebuilds and (lost := find_lost(reader, document)):
                raise lost
        if options.interrupted is not Interrupted.REFUSE_TO_PLAN:
            start_notifying(reader)
        session = cls(reader=reader, options=options, document=document, until=until)
        return session.finish_first(require) if options.finish_first else session

    def finish_first(self, require: Requirement) -> EnvironmentSession:
        """Finish what an earlier run left, under a lease of its own; return the next session.

        Another run may change the document before or after that, so `require` sees each new one.
        """
        document = self.reader.document()
        if document.deployment is not None or document.unremoved:
            with self.lease():
                pass
            document = self.reader.document()
        if document != self.document:
            require(self.reader, document)
        return replace(self, document=document)

    @contextmanager
    def lease(self) -> Iterator[LeasedEnvironment]:
        """Hold the lease for a block; first finish what an earlier run left.

        That is a deployment that was interrupted, and a removal that is pending.
        """
        lease = EnvironmentLease(reader=self.reader, until=self.until)
        with lease.take(self.options.command) as held:
            leased = LeasedEnvironment(reader=self.reader, held=held)
            finished = self._finish(leased)
            self._remove_pending(leased)
            yield replace(leased, finished=finished)

    def _finish(self, leased: LeasedEnvironment) -> Deployment | None:
        """Finish an interrupted deployment, or one whose pause is over; return how it ended."""
        action, found = self.options.interrupted, leased.document().deployment
        if self.options.ends_pause:
            return None
        if found and found.pause:
            require_not_paused(self.reader, leased.document(), action)
            if self.options.freeze is None and action is not Interrupted.UNDO:
                require_thawed(self.reader, found)
            ended = end_overdue(leased, back=action is Interrupted.UNDO)
            done: Deployment | None = require_finished(ended)
        else:
            done = finish_interrupted(leased, action, self.options.why)
        if done is not None and result_of(done) is Result.PAUSED:
            raise paused_error(self.reader, done)
        return done

    def _remove_pending(self, leased: LeasedEnvironment) -> None:
        """Remove the groups whose removal is pending, before the command's own work.

        Raises NeedsAttentionError if that fails; a rollback only reports it.
        """
        action, document = self.options.interrupted, leased.document()
        leaves = action in {Interrupted.LEAVE, Interrupted.REFUSE_TO_PLAN}
        if leaves or document.deployment or not document.unremoved:
            return
        keep = self.options.keeps(self.reader, document)
        if document.unremoved == (keep,):
            return
        try:
            if done := retire_overdue(leased, keep=keep):
                accept_finished(leased, done, action)
        except RefusedError as error:
            if action is not Interrupted.UNDO:
                raise
            text = f"{error.where}: {error.what}; continuing without it"
            self.reader.app.report(Message(text=text))


def _check(reader: EnvironmentReader, options: SessionOptions, require: Requirement) -> Environment:
    """Return the document; raises RefusedError if the command may not begin.

    An interrupted deployment that is finished first changes the document, so `require` waits.
    """
    document = reader.document()
    require_allowed(document, options.interrupted)
    if not options.ends_pause:
        require_not_paused(reader, document, options.interrupted)
        if document.deployment and document.deployment.pause:
            return document
    if document.deployment is None or options.interrupted is Interrupted.LEAVE:
        _require(reader, document, require, options)
    return document


def _require(
    reader: EnvironmentReader,
    document: Environment,
    require: Requirement,
    options: SessionOptions,
) -> None:
    """Call the requirement; if the document is lost, its error says so.

    An AWS that does not answer does not hide the error.
    """
    try:
        require(reader, document)
    except RefusedError as error:
        lost = None
        with suppress(PipelineError):
            lost = None if options.rebuilds else find_lost(reader, document)
        raise (lost or error) from None
