"""Send the requests of a probe at a fixed rate from a thread, whatever the answers.

A slow answer does not delay the next request: each one has a thread of its own until it is
answered. Idle threads are used again, because a new one costs more than a request. All threads are
daemons, so that none holds up the end of the process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from math import ceil
from queue import SimpleQueue
from urllib.parse import urlsplit

from pipeline.adapters.probe.client import Client, NoAnswerError
from pipeline.core.masking import Masker
from pipeline.core.probe.expectation import (
    Answer,
    Result,
    excerpt_of,
    failure_of,
    version_of,
)
from pipeline.core.probe.settings import Probe

MOST_IN_FLIGHT = 500
"""Requests without an answer at the same time; those beyond are not sent."""
TRIES = 5
"""Requests of `try_probe`."""
LAST_WAIT = 1.0
"""Seconds that `stop` waits for the last answers."""

_Due = tuple[str, str]
"""A request to begin: its URL, and the phase."""
Begin = Callable[[str, str], None]
"""Begins one request to a URL, in a phase."""


class Sender:
    """Implements `core.deploy.ports.Prober`; the methods are for one thread."""

    def __init__(
        self, probe: Probe, masker: Masker | None = None, most: int = MOST_IN_FLIGHT
    ) -> None:
        self._probe = probe
        self._masker = masker or Masker()
        self._results: deque[Result] = deque()
        self._unsent: deque[None] = deque()
        self._most = min(most, ceil(probe.rate * probe.timeout) + 1)
        self._room = threading.BoundedSemaphore(self._most)
        self._due: SimpleQueue[_Due | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0
        self._waiting: dict[int, float] = {}
        self._clients: dict[str, Client] = {}
        self._running: _Schedule | None = None

    def send(self, urls: tuple[str, ...], phase: str) -> None:
        """Send requests to the URLs in turn from now on; results name the phase. No URL: none."""
        if not urls:
            self._end()
            return
        if self._running and self._running.urls == urls:
            self._running.phase = phase
            return
        self._end()
        running = _Schedule(self._probe.rate, urls, phase, self._begin_one)
        with suppress(RuntimeError):  # no room for another thread: the next phase tries again
            running.start()
            self._running = running

    def take(self) -> tuple[Result, ...]:
        """Return the results since the last call."""
        return tuple(self._results.popleft() for _ in range(len(self._results)))

    def take_unsent(self) -> int:
        """Return how many requests could not be sent since the last call."""
        count = len(self._unsent)
        for _ in range(count):
            self._unsent.popleft()
        return count

    def oldest(self) -> float:
        """Return for how many seconds the oldest request has waited; 0 without any."""
        return max((time.monotonic() - sent for sent in tuple(self._waiting.values())), default=0.0)

    def stop(self) -> None:
        """Send no more, and wait a second for the answers to those that were sent."""
        self._end()
        until = time.monotonic() + LAST_WAIT
        ended = 0
        while ended < self._most and self._room.acquire(timeout=max(0.0, until - time.monotonic())):
            ended += 1
        if ended:
            self._room.release(ended)
        for _ in range(self._threads):
            self._due.put(None)
        self._threads = 0

    def _end(self) -> None:
        if self._running:
            self._running.end()
            self._running = None

    def _begin_one(self, url: str, phase: str) -> None:
        """Begin a request in a thread of its own; called by the schedule's thread.

        It also makes the client: reading the certificates of the system would delay a rollback.
        """
        if url not in self._clients:
            self._clients[url] = Client(self._probe, url)
        if not self._room.acquire(blocking=False):
            self._unsent.append(None)
            return
        try:
            if not self._idle.acquire(blocking=False):
                threading.Thread(target=self._work, daemon=True).start()
                self._threads += 1
        except RuntimeError:  # this machine has no room for another thread
            self._room.release()
            self._unsent.append(None)
            return
        self._due.put((url, phase))

    def _work(self) -> None:
        """Send one request after another, until `stop`."""
        me = threading.get_ident()
        while due := self._due.get():
            self._waiting[me] = time.monotonic()
            try:
                self._results.append(self._result(*due))
            finally:
                del self._waiting[me]
                self._idle.release()
                self._room.release()

    def _result(self, url: str, phase: str) -> Result:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        sent, answer = time.monotonic(), Answer(status=0)
        try:
            answer = self._clients[url].ask()
            failure = failure_of(self._probe, answer)
        except NoAnswerError as error:
            failure = str(error)
        is_member = url not in {self._probe.url, self._probe.test_url}
        member = urlsplit(url).netloc if is_member else ""
        if failure and member:
            failure = f"{member}: {failure}"
        text = self._masker.text
        return Result(
            phase=phase,
            sent=sent,
            at=at,
            seconds=time.monotonic() - sent,
            failure=text(failure),
            excerpt=text(excerpt_of(answer.body)) if failure else "",
            member=member,
            status=answer.status,
            version=text(version_of(self._probe, answer)),
        )


class _Schedule:
    """A thread that begins requests at a fixed rate, from its start to its end."""

    def __init__(self, rate: float, urls: tuple[str, ...], phase: str, begin: Begin) -> None:
        self.urls = urls
        self.phase = phase
        self._rate = rate
        self._begin = begin
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def end(self) -> None:
        """Begin no more requests; returns at once, apart from one that begins now."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._over.wait(max(0.0, began + sent / self._rate - time.monotonic())):
            self._begin(self.urls[sent % len(self.urls)], self.phase)
            sent += 1


def try_probe(probe: Probe, masker: Masker) -> str:
    """Return what is wrong with the first answer that is not the expected one; empty for nothing.

    Sends five requests, one after another.
    """
    client = Client(probe, probe.url)
    return next(filter(None, (_try(client, probe, masker) for _ in range(TRIES))), "")


def _try(client: Client, probe: Probe, masker: Masker) -> str:
    try:
        return masker.text(failure_of(probe, client.ask()))
    except NoAnswerError as error:
        return masker.text(str(error))
