"""Journal and send notifications beside a deployment, which waits for none of it.

One thread writes the outbox, and one for each target sends, so that a server that hangs holds up
neither the journal nor the other targets. All are daemons: the end of the process waits for them
only as long as `close` is told. What was not sent by then is in the outbox, and the next command of
the environment sends it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from pipeline.adapters.notify.target import Target
from pipeline.adapters.store.records.outboxes import Outboxes
from pipeline.core.errors import PipelineError
from pipeline.core.notifications.notification import Notification
from pipeline.core.notifications.outbox import Entry, Outbox

Value = TypeVar("Value")

PATIENCE: Final = 2.0
"""Seconds that the end of a command waits for notifications, all together."""
RECORDING: Final = 0.5
"""Seconds of them that are left to record what was sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """How a delivery ended: `error` is empty if it was sent."""

    key: str
    target: str
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Close:
    """No more notifications come; answers that are not there by `until` are not waited for."""

    until: float


class Courier:
    """Sends the notifications of one environment in one run.

    `missed` returns a notification that an earlier run decided and did not journal, None without
    one. Problems are texts for the person at the terminal; nothing raises. `sent` has the key and
    the target of each notification that was sent.
    """

    def __init__(
        self,
        outboxes: Outboxes,
        targets: Sequence[Target],
        *,
        now: Callable[[], datetime],
        missed: Callable[[Outbox], Notification | None] = lambda _: None,
    ) -> None:
        self._outboxes = outboxes
        self._targets = {each.name: each for each in targets}
        self._now = now
        self._missed = missed
        self._by = secrets.token_hex(4)
        self._inbox: SimpleQueue[Callable[[], Notification | None] | _End | _Close] = SimpleQueue()
        self._queues: dict[str, SimpleQueue[Notification | None]] = {}
        self._waiting: set[tuple[str, str]] = set()
        self._ends: dict[tuple[str, str], str] = {}
        self._problems: list[str] = []
        self._told = self._taken = 0  # each is counted in one thread only
        self.sent: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="notifications")

    def start(self) -> None:
        """Send what earlier runs could not, in the background."""
        self._thread.start()

    def tell(self, make: Callable[[], Notification | None]) -> None:
        """Journal and send what `make` returns, in the background; it is called there."""
        self._told += 1
        self._inbox.put(make)

    def close(self, patience: float | None = None) -> tuple[str, ...]:
        """Wait until all is sent, at most so many seconds; return what was not, a line for each.

        By default `PATIENCE`.
        """
        until = time.monotonic() + (PATIENCE if patience is None else patience)
        self._inbox.put(_Close(until=until - RECORDING))
        self._thread.join(max(until - time.monotonic(), 0.0))
        late = (f"{name}: no answer in time" for _, name in self._waiting.copy())
        left = self._told - self._taken
        untaken = [f"{left} of {self._told}: the store does not answer"] if left else []
        return tuple(sorted({*self._problems.copy(), *late, *untaken}))

    def _run(self) -> None:
        self._attempt("reading the outbox", self._retry)
        closing: _Close | None = None
        while closing is None or (self._waiting and time.monotonic() < closing.until):
            try:
                wait = None if closing is None else max(closing.until - time.monotonic(), 0.0)
                event = self._inbox.get(timeout=wait)
            except Empty:
                break
            match event:
                case _Close():
                    closing = event
                case _End():
                    self._end(event)
                case make:
                    self._take(make)
                    self._taken += 1
        self._record()
        for queue in self._queues.values():
            queue.put(None)

    def _take(self, make: Callable[[], Notification | None]) -> None:
        """Journal a notification, then send it; it is sent even if it cannot be journaled."""
        made = self._attempt("making a notification", make)
        if made is None:
            return
        targets = [name for name, target in self._targets.items() if target.wants(made)]
        add = partial(self._add, made, targets)
        is_new = self._attempt("journaling a notification", add)
        if is_new is not False:
            self._send(made, targets)

    def _add(self, notification: Notification, targets: Iterable[str]) -> bool:
        """Add a notification to the outbox; return False if it was there or is too old."""
        added: list[bool] = []

        def add(outbox: Outbox) -> Outbox:
            changed = outbox.added(notification, targets, self._now(), self._by)
            added[:] = [changed is not outbox]
            return changed

        self._outboxes.update(add)
        return added[0]

    def _retry(self) -> None:
        """Claim what earlier runs could not send, and send it; two runs do not claim the same."""
        found = self._outboxes.read()
        missed = self._missed(found)
        if missed:
            self._take(lambda: missed)
        claimed: list[Entry] = []

        def claim(outbox: Outbox) -> Outbox:
            claimed[:] = outbox.due(self._now(), self._targets)
            return outbox.claimed(claimed, self._now(), self._by) if claimed else outbox

        if found.due(self._now(), self._targets):
            self._outboxes.update(claim)
        for entry in claimed:
            self._send(entry.notification, [each.target for each in entry.deliveries])

    def _send(self, notification: Notification, targets: Iterable[str]) -> None:
        for name in targets:
            self._waiting.add((notification.key, name))
            if name not in self._queues:
                self._queues[name] = SimpleQueue()
                work = threading.Thread(target=self._work, args=(name,), daemon=True, name=name)
                work.start()
            self._queues[name].put(notification)

    def _work(self, name: str) -> None:
        """Send to one target, one notification after another."""
        while notification := self._queues[name].get():
            error = self._targets[name].send(notification)
            self._inbox.put(_End(key=notification.key, target=name, error=error))

    def _end(self, end: _End) -> None:
        self._waiting.discard((end.key, end.target))
        self._ends[end.key, end.target] = end.error
        if end.error:
            self._problems.append(f"{end.target}: {end.error}")
        else:
            self.sent.append((end.key, end.target))
        if not self._waiting:
            self._record()

    def _record(self) -> None:
        """Write how deliveries ended; without it they are sent again, with the same key."""
        ends = dict(self._ends)
        if ends:
            self._attempt(
                "recording what was sent",
                lambda: self._outboxes.update(lambda box: box.recorded(ends, self._now())),
            )
        self._ends.clear()

    def _attempt(self, doing: str, action: Callable[[], Value]) -> Value | None:
        """Return what an action returns; None after an error, which is a problem to report."""
        try:
            return action()
        except PipelineError as error:
            self._problems.append(f"{doing}: {error.where}: {error.what}")
        except Exception as error:  # noqa: BLE001 - the deployment matters more than our bug
            self._problems.append(f"{doing}: {type(error).__name__}: {error}")
        return None
