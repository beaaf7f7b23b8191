"""The lease on an environment: the right to change it, for a minute, renewed while we live.

It is a field of the environment's document, so that taking it and reading the truth are one
step, and every write of ours fails once another run has taken over. Who is paused, or cannot
reach the store, stops before the others may begin.

Time is the store's: S3's own, so that a machine whose clock is wrong takes no lease that lasts
and keeps none that ended. Machines that share a directory must agree within `Leases.margin`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from pipeline.adapters.identity import is_over, printable, process_mark
from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.document_writer import DocumentWriter
from pipeline.adapters.store.environments import Environments, Versioned
from pipeline.adapters.store.s3 import steady
from pipeline.core.errors import LeaseHeldError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.state import lease as tenancy
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment, Lease

_ATTEMPTS = 5
JUST_NOW = 1.0
"""Seconds for which an answer of the store's about the lease is good enough."""


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`now` is the time that all runs share; `steady` this machine's, which nobody sets."""

    now: Callable[[], datetime] = _utc
    steady: Callable[[], float] = steady


@dataclass(frozen=True, kw_only=True)
class LeaseManager:
    """How this process takes leases; `life` in seconds is how long one lasts without renewal."""

    environments: Environments
    owner: Runner
    report: Report
    clock: Clock = field(default_factory=Clock)
    life: float = 60.0

    @property
    def margin(self) -> float:
        """How long before the expiry the holder stops, in seconds."""
        return self.life / 12

    def take(self, environment: Environment, command: str) -> HeldLease:
        """Take the lease on an environment; the block of the result renews and releases it.

        Raises LeaseHeldError after one read where another run holds it, and RefusedError where
        the document must not be relied on.
        """
        for _ in range(_ATTEMPTS):
            found = self.environments.load(environment)
            before = _shown(found.environment.lease)
            ended = self._require_ended(environment, before)
            held = HeldLease(self, found, command)
            try:
                held.begin()
            except StaleError:
                continue
            if before:
                self.report(Message(text=f"took over the lease of {_whose(before)}: {ended}"))
            return held
        where = f"the lease on {environment.environment}"
        observation = f"ami-pipeline status -e {environment.environment}"
        raise LeaseHeldError(
            where, "several runs take it and let it go at this moment", observation
        )

    def require_free(self, environment: Environment) -> None:
        """Raise LeaseHeldError where another run holds the lease now; one read, nothing written."""
        found = self.environments.load(environment)
        self._require_ended(environment, _shown(found.environment.lease))

    def require_over(self, found: Environment) -> None:
        """Raise LeaseHeldError where a document that was read says that a run holds it now."""
        self._require_ended(found, _shown(found.lease))

    def standing(self, environment: Environment) -> tuple[Environment, str]:
        """Return the document, and why its lease binds nobody any more; empty while it does."""
        found = self.environments.load(environment).environment
        lease = _shown(found.lease)
        return replace(found, lease=lease), self._ended(lease) if lease else ""

    def break_(self, environment: Environment, epoch: int) -> Environment:
        """End the lease of this epoch in its holder's place; return the document as it stands then.

        Whoever held it can write nothing more, and changes nothing once it notices. Raises
        RefusedError where another lease stands by now.
        """
        name = environment.environment
        for _ in range(_ATTEMPTS):
            found = self.environments.load(environment)
            lease = found.environment.lease
            if lease is None or lease.epoch != epoch:
                break
            expires = _text(self.clock.now())
            broken = replace(lease, epoch=epoch + 1, expires=expires, broken=_who(self.owner))
            document = replace(found.environment, lease=broken, epoch=epoch + 1, broken=epoch)
            try:
                DocumentWriter(self.environments, found).write(document)
            except StaleError:
                continue  # it was renewed
            return replace(document, lease=_shown(broken))
        what = "it was let go, or another run took it, meanwhile: nothing was broken"
        raise RefusedError(f"the lease on {name}", what, f"ami-pipeline lock show -e {name}")

    def _require_ended(self, environment: Environment, lease: Lease | None) -> str:
        """Return why a lease there was ended, empty where there was none."""
        if lease is None:
            return ""
        ended = self._ended(lease)
        if not ended:
            raise tenancy.held_error(environment, lease, self.clock.now())
        return ended

    def _ended(self, lease: Lease) -> str:
        """Return why a lease binds nobody any more, or nothing.

        A run that was killed on this machine need not be waited for. A CI job's machine may be
        a copy of another's memory, pids and boot included, so its lease is left to expire.
        """
        if lease.broken:
            return f"{lease.broken} broke it"
        if (left := tenancy.seconds_left(lease, self.clock.now())) <= 0:
            return f"it expired {tenancy.format_age(-left)} ago"
        by_hand = not lease.owner.run and not self.owner.run
        if by_hand and self.owner.host == lease.owner.host:
            return "its process is no more" if is_over(lease.owner.pid, lease.process) else ""
        return ""


class HeldLease:
    """A lease we hold, and the only way to the document meanwhile; safe for several threads.

    As a context manager it renews the lease in the background and releases it at the end.
    """

    def __init__(self, leases: LeaseManager, found: Versioned, command: str) -> None:
        self._leases = leases
        self._document = DocumentWriter(leases.environments, found)
        self.succeeds = _shown(found.environment.lease)
        """The lease of a run that died, which this one took over; None where there was none."""
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
        self._asked = -JUST_NOW
        self._ending = False
        self._gone = ""
        self._trouble = ""
        self._end = threading.Event()
        self._renewer = threading.Thread(target=self.beat, args=(self._end.wait,), daemon=True)

    @property
    def epoch(self) -> int:
        """The number of this taking: it grows from lease to lease."""
        return self._lease.epoch

    def begin(self) -> None:
        """Write the lease for the first time; raises StaleError where another was faster."""
        self._put(self._document.known)

    def read(self) -> Environment:
        """Return the document as last read or written."""
        with self._lock:
            return self._current()

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write what `change` makes of the document, and renew the lease with it.

        `change` is called again where it is not known whether an earlier write came through.
        Raises LeaseHeldError once the lease is lost; nothing was written then.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                self.require()
                try:
                    return self._put(change(self._current()))
                except StaleError:
                    continue
            name = self._document.known.environment
            observation = f"ami-pipeline status -e {name}"
            raise RefusedError(f"[state] {name}", "something else keeps writing it", observation)

    def renew(self) -> None:
        """Make the lease last its whole life again."""
        with self._lock:
            self.update(lambda environment: environment)

    def confirm(self) -> None:
        """Ask the store whether the lease is ours still, before something is done to the world."""
        with self._lock:
            self.require()
            self._document.doubt()
            self._current()
            self._asked = self._leases.clock.steady()

    def fence(self) -> None:
        """As `confirm`, without asking the store again where it was asked less than a second ago.

        A run that was paused since then has seen its clock go on.
        """
        with self._lock:
            self.require()
            if self._leases.clock.steady() - self._asked >= JUST_NOW:
                self.confirm()

    def require(self) -> None:
        """Raise LeaseHeldError if the lease is lost or about to expire; asks the clocks only."""
        with self._lock:
            if not self._gone and self._leases.clock.steady() >= self._until:
                self._gone = f"it could not be renewed by {self._lease.expires}{self._trouble}"
            if not self._gone and self._left() <= self._leases.margin:
                self._gone = f"it ended at {self._lease.expires}{self._trouble}"
            if self._gone:
                raise tenancy.lost_error(self._document.known, self._gone)

    def release(self) -> None:
        """Let the lease go; one that is lost is left to whoever has it now. Raises nothing."""
        with self._lock:
            if self._gone:
                return
            self._ending = True
            try:
                self.update(lambda environment: environment)
            except LeaseHeldError:
                return
            except PipelineError as error:
                text = f"the lease was not released, it lasts until {self._lease.expires}: "
                self._leases.report(Message(text=text + error.what))
            self._gone = "it was released"

    def beat(self, wait: Callable[[float], bool]) -> None:
        """Renew at a third of the lease's life, sooner where that failed, until `wait` says end."""
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
        """Write the document with the lease renewed; its life counts from before the write."""
        clock, life = self._leases.clock, self._leases.life
        until = clock.steady() + life - self._leases.margin
        lease = replace(self._lease, expires=_text(clock.now() + timedelta(seconds=life)))
        standing = None if self._ending else lease
        document = self._document.write(replace(changed, lease=standing, epoch=lease.epoch))
        self._lease, self._until = lease, until
        return document

    def _current(self) -> Environment:
        """Return the document, read again where an earlier write's end is not known."""
        return self._document.read(accept=self._require_ours)

    def _require_ours(self, document: Environment) -> None:
        standing = document.lease
        if standing is None or standing.epoch != self.epoch:
            self._gone = _how_lost(_shown(standing))
            raise tenancy.lost_error(document, self._gone)

    def _left(self) -> float:
        return tenancy.seconds_left(self._lease, self._leases.clock.now())


def _how_lost(standing: Lease | None) -> str:
    if standing is None:
        return "it was taken away"
    return f"{standing.broken} broke it" if standing.broken else f"{_whose(standing)} took it over"


def _who(owner: Runner) -> str:
    return printable(f"{owner.user}@{owner.host} (pid {owner.pid})")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _whose(lease: Lease) -> str:
    return (
        f"{tenancy.format_holder(lease)}, {lease.command}"
        if lease.command
        else tenancy.format_holder(lease)
    )


def _shown(lease: Lease | None) -> Lease | None:
    """Return a lease whose words are safe to show: another program may have written them."""
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
