"""Take, renew and release the lease on an environment: the right to change it for a minute.

The lease is a field of the environment's document, so taking it and reading the document are one
step, and every write of a run fails once another run has taken over. A run that is paused or
cannot reach the store stops before another run may start.

The time is the store's. With S3 it is S3's clock, so a machine with a wrong clock neither takes a
lease too long nor keeps an expired one. Machines that share a directory must agree within
`LeaseManager.margin`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from pipeline.adapters.clock import uptime
from pipeline.adapters.identity import has_exited, printable, process_mark
from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.document_writer import DocumentWriter
from pipeline.adapters.store.records.environments import Environments, Versioned
from pipeline.core import commands
from pipeline.core.errors import LeaseHeldError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.state import lease as lease_text
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment, Lease

_ATTEMPTS = 5
RECENT = 1.0
"""Seconds for which a check of the lease in the store need not be repeated."""


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`now` is the time that all runs share; `steady` is this machine's uptime in seconds."""

    now: Callable[[], datetime] = _utc
    steady: Callable[[], float] = uptime


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaseManager:
    """Takes leases for this process; `life` is the seconds a lease lasts without renewal."""

    environments: Environments
    owner: Runner
    report: Report
    clock: Clock = field(default_factory=Clock)
    life: float = 60.0

    @property
    def margin(self) -> float:
        """Return the seconds before the expiry at which the holder stops."""
        return self.life / 12

    def take(self, environment: Environment, command: str) -> HeldLease:
        """Take the lease on an environment; the result is a context manager that renews it.

        Raises LeaseHeldError after one read if another run holds it, and RefusedError if the
        document cannot be used.
        """
        for _ in range(_ATTEMPTS):
            found = self.environments.load(environment)
            previous = _printable(found.environment.lease)
            ended = self._require_ended(environment, previous)
            held = HeldLease(self, found, command)
            try:
                held.begin()
            except StaleError:
                continue
            if previous:
                text = f"took over the lease of {_describe_holder(previous)}: {ended}"
                self.report(Message(text=text))
            return held
        where = f"the lease on {environment.environment}"
        raise LeaseHeldError(
            where,
            "several runs are taking and releasing it",
            commands.status(environment.environment),
        )

    def require_free(self, environment: Environment) -> None:
        """Raise LeaseHeldError if another run holds the lease; reads once, writes nothing."""
        found = self.environments.load(environment)
        self._require_ended(environment, _printable(found.environment.lease))

    def require_over(self, found: Environment) -> None:
        """Raise LeaseHeldError if a run holds the lease in this document."""
        self._require_ended(found, _printable(found.lease))

    def standing(self, environment: Environment) -> tuple[Environment, str]:
        """Return the document, and why its lease has ended; empty while it is valid."""
        found = self.environments.load(environment).environment
        lease = _printable(found.lease)
        return replace(found, lease=lease), self._ended(lease) if lease else ""

    def break_(self, environment: Environment, epoch: int) -> Environment:
        """End the lease of this epoch on behalf of its holder; return the new document.

        The holder can write nothing more, and stops once it notices. Raises RefusedError if the
        document has another lease by now.
        """
        name = environment.environment
        for _ in range(_ATTEMPTS):
            found = self.environments.load(environment)
            lease = found.environment.lease
            if lease is None or lease.epoch != epoch:
                break
            expires = _text(self.clock.now())
            broken = replace(
                lease, epoch=epoch + 1, expires=expires, broken=_format_owner(self.owner)
            )
            document = replace(found.environment, lease=broken, epoch=epoch + 1, broken=epoch)
            try:
                DocumentWriter(self.environments, found).write(document)
            except StaleError:
                continue  # it was renewed
            return replace(document, lease=_printable(broken))
        what = "it was released or taken by another run meanwhile; no lease was broken"
        raise RefusedError(f"the lease on {name}", what, commands.lock_show(name))

    def _require_ended(self, environment: Environment, lease: Lease | None) -> str:
        """Return why the lease has ended, empty if there was none; raises LeaseHeldError."""
        if lease is None:
            return ""
        ended = self._ended(lease)
        if not ended:
            raise lease_text.held_error(environment, lease, self.clock.now())
        return ended

    def _ended(self, lease: Lease) -> str:
        """Return why a lease has ended; empty while it is valid.

        The lease of a killed run of this machine ends at once. The lease of a CI job has to expire:
        its machine may be restored from a snapshot of another's memory, with its pids and boot id.
        """
        if lease.broken:
            return f"{lease.broken} broke it"
        if (left := lease_text.seconds_left(lease, self.clock.now())) <= 0:
            return f"it expired {lease_text.format_age(-left)} ago"
        by_hand = not lease.owner.run and not self.owner.run
        if by_hand and self.owner.host == lease.owner.host:
            return "its process has exited" if has_exited(lease.owner.pid, lease.process) else ""
        return ""


class HeldLease:
    """The lease that this run holds, and its only access to the document; thread-safe.

    As a context manager it renews the lease in the background and releases it at the end.
    """

    def __init__(self, leases: LeaseManager, found: Versioned, command: str) -> None:
        self._leases = leases
        self._document = DocumentWriter(leases.environments, found)
        self.succeeds = _printable(found.environment.lease)
        """The ended lease that this one replaced; None if there was none."""
        self._lease = Lease(
            owner=leases.owner,
            epoch=found.environment.epoch + 1,
            since=_text(leases.clock.now()),
            expires="",
            command=printable(command),
            process=process_mark(),
        )
        self._lock = threading.RLock()
        self._until = 0.0
        self._confirmed = -RECENT
        self._ending = False
        self._lost = ""
        self._trouble = ""
        self._end = threading.Event()
        self._renewer = threading.Thread(target=self.beat, args=(self._end.wait,), daemon=True)

    @property
    def epoch(self) -> int:
        """The number of the lease: each lease has a higher one than the last."""
        return self._lease.epoch

    def begin(self) -> None:
        """Write the lease for the first time; raises StaleError if another run was faster."""
        self._put(self._document.known)

    def read(self) -> Environment:
        """Return the document as last read or written."""
        with self._lock:
            return self._current()

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write the document that `change` returns, and renew the lease with it.

        `change` is called again if it is unknown whether an earlier write succeeded. Raises
        LeaseHeldError if the lease is lost; nothing is written then.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                self.require()
                try:
                    return self._put(change(self._current()))
                except StaleError:
                    continue
            name = self._document.known.environment
            raise RefusedError(
                f"[state] {name}", "another program keeps writing it", commands.status(name)
            )

    def renew(self) -> None:
        """Extend the lease to its whole life again."""
        with self._lock:
            self.update(lambda environment: environment)

    def confirm(self) -> None:
        """Check in the store that this run still has the lease; called before each change."""
        with self._lock:
            self.require()
            self._document.doubt()
            self._current()
            self._confirmed = self._leases.clock.steady()

    def fence(self) -> None:
        """Do the same as `confirm`, but skip the store if it was read less than a second ago.

        The clock also counts the time during which a run was paused.
        """
        with self._lock:
            self.require()
            if self._leases.clock.steady() - self._confirmed >= RECENT:
                self.confirm()

    def require(self) -> None:
        """Raise LeaseHeldError if the lease is lost or about to expire; reads only the clocks."""
        with self._lock:
            if not self._lost and self._leases.clock.steady() >= self._until:
                self._lost = f"it could not be renewed by {self._lease.expires}{self._trouble}"
            if not self._lost and self._left() <= self._leases.margin:
                self._lost = f"it ended at {self._lease.expires}{self._trouble}"
            if self._lost:
                raise lease_text.lost_error(self._document.known, self._lost)

    def release(self) -> None:
        """Release the lease unless it is lost; raises nothing."""
        with self._lock:
            if self._lost:
                return
            self._ending = True
            try:
                self.update(lambda environment: environment)
            except LeaseHeldError:
                return
            except PipelineError as error:
                text = f"the lease was not released; it expires at {self._lease.expires}: "
                self._leases.report(Message(text=text + error.what))
            self._lost = "it was released"

    def beat(self, wait: Callable[[float], bool]) -> None:
        """Renew every third of the lease's life, sooner after a failure, until `wait` is True."""
        usual = self._leases.life / 3
        pause = usual
        while not wait(pause):
            try:
                self.renew()
            except LeaseHeldError:
                return
            except PipelineError as error:
                self._trouble, pause = f": {error.what}", self._leases.margin
            else:
                self._trouble, pause = "", usual

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self.release()
        self._renewer.join(timeout=5)

    def _put(self, changed: Environment) -> Environment:
        """Write the document with the lease renewed; its life begins before the write."""
        clock, life = self._leases.clock, self._leases.life
        until = clock.steady() + life - self._leases.margin
        lease = replace(self._lease, expires=_text(clock.now() + timedelta(seconds=life)))
        standing = None if self._ending else lease
        document = self._document.write(replace(changed, lease=standing, epoch=lease.epoch))
        self._lease, self._until = lease, until
        return document

    def _current(self) -> Environment:
        """Return the document; read it again if the result of an earlier write is unknown."""
        return self._document.read(accept=self._require_ours)

    def _require_ours(self, document: Environment) -> None:
        standing = document.lease
        if standing is None or standing.epoch != self.epoch:
            self._lost = _how_lost(_printable(standing))
            raise lease_text.lost_error(document, self._lost)

    def _left(self) -> float:
        return lease_text.seconds_left(self._lease, self._leases.clock.now())


def _how_lost(standing: Lease | None) -> str:
    if standing is None:
        return "it was removed from the document"
    if standing.broken:
        return f"{standing.broken} broke it"
    return f"{_describe_holder(standing)} took it over"


def _format_owner(owner: Runner) -> str:
    return printable(f"{owner.user}@{owner.host} (pid {owner.pid})")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _describe_holder(lease: Lease) -> str:
    holder = lease_text.format_holder(lease)
    return f"{holder}, {lease.command}" if lease.command else holder


def _printable(lease: Lease | None) -> Lease | None:
    """Return a lease with printable texts only: another program may have written them."""
    if lease is None:
        return None
    owner = replace(
        lease.owner,
        user=printable(lease.owner.user),
        host=printable(lease.owner.host),
        run=printable(lease.owner.run),
    )
    command, broken = printable(lease.command), printable(lease.broken)
    return replace(lease, owner=owner, command=command, broken=broken)
