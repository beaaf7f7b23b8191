"""Open-loop load: requests go out at a fixed rate whatever the answers do, each is counted.

A closed loop would slow down with the service and so hide what it loses.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

RATE = 30.0
"""Requests a second."""
TIMEOUT = 30.0
OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a request: when it was due (monotonic), which version answered, or why not."""

    at: float
    version: str = ""
    error: str = ""


@dataclass(kw_only=True)
class Load:
    """Requests to one address until it is stopped; `lost` is told of each failure at once."""

    url: str
    lost: Callable[[Answer], None]
    rate: float = RATE
    timeout: float = TIMEOUT
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send until told to stop, then wait for what is on its way."""
        asyncio.run(self._send())

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()

    def since(self, moment: float) -> list[Answer]:
        """Return what was sent after a moment and has come back."""
        return [answer for answer in self.answers if answer.at >= moment]

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
        version, error = "", ""
        try:
            async with session.get(self.url) as reply:
                body = await reply.read()
            if reply.status == OK:
                version = str(json.loads(body)["version"])
            else:
                error = f"HTTP {reply.status}"
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        answer = Answer(at=due, version=version, error=error)
        self.answers.append(answer)
        if error:
            self.lost(answer)


def by_version(answers: list[Answer]) -> Counter[str]:
    """Count the answers by the version that gave them; those of none are "failed"."""
    return Counter(answer.version or "failed" for answer in answers)


@contextmanager
def load(url: str, lost: Callable[[Answer], None]) -> Iterator[Load]:
    """Keep an address under load for a block."""
    running = Load(url=url, lost=lost)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()
