"""Pass one request to one member and stream the response back.

Application Load Balancers, "Troubleshoot": 502 if the member refuses, closes or does not answer in
HTTP, and if the deregistration delay ends before the response; 504 if it does not answer within
the idle timeout; 408 if the client does not send the announced body. If the response has already
started, the client's connection is aborted instead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from local_cloud.traffic import messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDict
    from yarl import URL

    from local_cloud.metrics.meter import Handled
    from local_cloud.traffic.in_flight import Transfer
    from local_cloud.traffic.nodes import Nodes
    from local_cloud.traffic.plan import Kind
    from local_cloud.traffic.targets import Key


@dataclass(kw_only=True)
class Exchange:
    """One request and its response."""

    nodes: Nodes
    kind: Kind
    request: web.BaseRequest
    handled: Handled
    headers: CIMultiDict[str]
    to: Key
    url: URL
    cookies: tuple[str, ...]
    _transfer: Transfer | None = None
    _response: web.StreamResponse | None = None
    _waits_for_client: bool = False

    async def run(self, idle: float) -> web.StreamResponse:
        """Return the response for the client; failures are responses, too."""
        try:
            async with self.nodes.in_flight.to(self.to, idle) as self._transfer:
                return await self._exchange(self._transfer)
        except TimeoutError:
            return self._failed(self._timeout_status())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.handled.refused = isinstance(error, aiohttp.ClientConnectorError)
            return self._failed(502)

    def _timeout_status(self) -> int:
        if self._transfer and self._transfer.was_cut:
            return 502
        return 408 if self._waits_for_client else 504

    def _failed(self, status: int) -> web.StreamResponse:
        if self._response is None:
            self.handled.by_member = False
            response = messages.page(self.kind, status)
            if not self.request.content.at_eof():
                response.force_close()
            return response
        if self.request.transport:
            self.request.transport.abort()
        return self._response

    async def _exchange(self, transfer: Transfer) -> web.StreamResponse:
        request = self.request
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(messages.CONTINUE)
        began = time.monotonic()
        async with self.nodes.session.request(
            request.method,
            self.url,
            headers=self.headers,
            data=self._upload(transfer) if request.body_exists else None,
            allow_redirects=False,
        ) as given:
            self._waits_for_client = False
            self.handled.by_member = True
            self.handled.seconds = time.monotonic() - began
            transfer.moved()
            headers = messages.passed_on(given.headers)
            for cookie in self.cookies:
                headers.add("Set-Cookie", cookie)
            if has_whole_body(given):
                body = given.content.read_nowait()
                return web.Response(
                    status=given.status, reason=given.reason or "", headers=headers, body=body
                )
            response = web.StreamResponse(
                status=given.status, reason=given.reason or "", headers=headers
            )
            self._response = response
            await response.prepare(request)
            async for chunk in given.content.iter_any():
                transfer.moved()
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _upload(self, transfer: Transfer) -> AsyncIterator[bytes]:
        self._waits_for_client = True
        async for chunk in self.request.content.iter_any():
            self._waits_for_client = False
            transfer.moved()
            yield chunk
            self._waits_for_client = True
        self._waits_for_client = False


def has_whole_body(given: aiohttp.ClientResponse) -> bool:
    """Return True if the whole body came with the header, so that one write sends both.

    Fewer system calls matter: a thread of the API may take the interpreter at each of them.
    """
    return (
        given.content.is_eof()
        and not given.content.at_eof()
        and given.content.exception() is None
        and "Content-Length" in given.headers
    )
