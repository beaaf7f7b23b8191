"""One request to one member and its answer back, streamed both ways, nothing kept.

Application Load Balancers, "Troubleshoot": 502 when the member refuses, closes or answers
what is not HTTP, and when the deregistration delay is over before it answered; 504 when it
does not answer within the idle timeout; 408 when the client does not send what it announced.
An answer that was begun cannot be taken back: then the client's connection is aborted.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from local_cloud.traffic import messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDict
    from yarl import URL

    from local_cloud.traffic.in_flight import Flight
    from local_cloud.traffic.nodes import Nodes
    from local_cloud.traffic.plan import Kind
    from local_cloud.traffic.targets import Key


@dataclasses.dataclass(kw_only=True)
class Exchange:
    """One request on its way."""

    nodes: Nodes
    kind: Kind
    request: web.BaseRequest
    headers: CIMultiDict[str]
    to: Key
    url: URL
    cookies: tuple[str, ...]
    _flight: Flight | None = None
    _answer: web.StreamResponse | None = None
    _waits_for_client: bool = False

    async def run(self, idle: float) -> web.StreamResponse:
        """Return what the client gets; whatever goes wrong is an answer too."""
        try:
            async with self.nodes.flights.to(self.to, idle) as self._flight:
                return await self._exchange(self._flight)
        except TimeoutError:
            return self._failed(self._late())
        except (aiohttp.ClientError, OSError, ValueError):
            return self._failed(502)

    def _late(self) -> int:
        if self._flight and self._flight.was_cut:
            return 502
        return 408 if self._waits_for_client else 504

    def _failed(self, status: int) -> web.StreamResponse:
        if self._answer is None:
            answer = messages.page(self.kind, status)
            if not self.request.content.at_eof():
                answer.force_close()
            return answer
        if self.request.transport:
            self.request.transport.abort()
        return self._answer

    async def _exchange(self, flight: Flight) -> web.StreamResponse:
        request = self.request
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(messages.CONTINUE)
        async with self.nodes.session.request(
            request.method,
            self.url,
            headers=self.headers,
            data=self._upload(flight) if request.body_exists else None,
            allow_redirects=False,
        ) as given:
            self._waits_for_client = False
            flight.moved()
            headers = messages.passed_on(given.headers)
            for cookie in self.cookies:
                headers.add("Set-Cookie", cookie)
            if is_here(given):
                body = given.content.read_nowait()
                return web.Response(
                    status=given.status, reason=given.reason or "", headers=headers, body=body
                )
            answer = web.StreamResponse(
                status=given.status, reason=given.reason or "", headers=headers
            )
            self._answer = answer
            await answer.prepare(request)
            async for chunk in given.content.iter_any():
                flight.moved()
                await answer.write(chunk)
            await answer.write_eof()
            return answer

    async def _upload(self, flight: Flight) -> AsyncIterator[bytes]:
        self._waits_for_client = True
        async for chunk in self.request.content.iter_any():
            self._waits_for_client = False
            flight.moved()
            yield chunk
            self._waits_for_client = True
        self._waits_for_client = False


def is_here(given: aiohttp.ClientResponse) -> bool:
    """Tell whether a whole body came with the header, so that both can go in one piece.

    Every system call may cost the loop its turn while a thread of the API runs.
    """
    return (
        given.content.is_eof()
        and not given.content.at_eof()
        and given.content.exception() is None
        and "Content-Length" in given.headers
    )
