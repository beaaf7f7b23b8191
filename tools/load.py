"""Open-loop load: requests go out at a fixed rate whatever the responses, and each is recorded.

A closed loop would slow down with the service and so hide what it loses. Tests, benchmarks and the
demo use this generator.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One request: when it was due (monotonic), how long it took, and its response.

    `status` is 0 without a response. `error` is empty if the request succeeded.
    """

    at: float
    seconds: float = 0.0
    status: int = 0
    error: str = ""
    body: bytes = b""
    version: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """Return the response as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document


def ignore(_: Result) -> None:
    """Do nothing about a failed request."""


@dataclass(kw_only=True)
class Load:
    """Requests to one URL, `rate` per second, until it is stopped.

    If `versions`, each response must name the version that sent it. Without `keep_alive`, each
    request has a connection of its own. `on_failure` is called for each
    failed request at once.
    """

    url: str
    rate: float = 50.0
    timeout: float = 30.0
    versions: bool = False
    keep_alive: bool = True
    on_failure: Callable[[Result], None] = ignore
    results: list[Result] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def failures(self) -> list[Result]:
        """Return the requests that failed."""
        return [result for result in self.results if result.error]

    def since(self, moment: float) -> list[Result]:
        """Return the completed requests that were due after a moment."""
        return [result for result in self.results if result.at > moment]

    def run(self) -> None:
        """Send requests until `stop`, then wait for those in flight."""
        asyncio.run(self._send())

    def stop(self) -> None:
        """Send no more requests."""
        self._stop.set()

    async def _send(self) -> None:
        limit = aiohttp.TCPConnector(limit=0, force_close=not self.keep_alive)
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
        status, error, body, version = 0, "", b"", ""
        try:
            async with session.get(self.url) as response:
                status, body = response.status, await response.read()
            if status != OK:
                error = f"HTTP {status}"
            elif self.versions:
                version = str(json.loads(body)["version"])
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        result = Result(
            at=due,
            seconds=time.monotonic() - due,
            status=status,
            error=error,
            body=body,
            version=version,
        )
        self.results.append(result)
        if error:
            self.on_failure(result)


@contextlib.contextmanager
def load(url: str, rate: float = 50.0, **more: Any) -> Iterator[Load]:
    """Keep a URL under load for a block; `more` are further fields of `Load`."""
    running = Load(url=url, rate=rate, **more)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()
