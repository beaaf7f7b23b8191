"""Open-loop load: requests go out at a fixed rate whatever the answers do, and each is recorded.

A closed loop would slow down with the service and so hide what it loses.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One request: when it was due (monotonic), what it took, what came of it."""

    at: float
    seconds: float
    status: int  # 0: no answer
    error: str = ""
    body: bytes = b""

    @property
    def document(self) -> dict[str, Any]:
        """The answer as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclasses.dataclass(kw_only=True)
class Load:
    """Requests to one URL, `rate` a second, until it is stopped."""

    url: str
    rate: float = 50.0
    timeout: float = 30.0
    results: list[Result] = dataclasses.field(default_factory=list)
    _stop: threading.Event = dataclasses.field(default_factory=threading.Event)

    @property
    def failures(self) -> list[Result]:
        """What was not answered with 200."""
        return [result for result in self.results if result.status != 200]

    def since(self, moment: float) -> list[Result]:
        """Return what was sent after a moment and has come back."""
        return [result for result in self.results if result.at > moment]

    def run(self) -> None:
        """Send until told to stop, then wait for what is on its way."""
        asyncio.run(self._send())

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()

    async def _send(self) -> None:
        limit = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        async with aiohttp.ClientSession(connector=limit, timeout=timeout) as session:
            began, sent = time.monotonic(), 0
            tasks = set()
            while not self._stop.is_set():
                due = began + sent / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.add(task := asyncio.create_task(self._one(session, due)))
                task.add_done_callback(tasks.discard)
                sent += 1
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, due: float) -> None:
        status, error, body = 0, "", b""
        try:
            async with session.get(self.url) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        taken = time.monotonic() - due
        self.results.append(Result(at=due, seconds=taken, status=status, error=error, body=body))


@contextlib.contextmanager
def load(url: str, rate: float = 50.0) -> Iterator[Load]:
    """Keep a URL under load for a block."""
    running = Load(url=url, rate=rate)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()
