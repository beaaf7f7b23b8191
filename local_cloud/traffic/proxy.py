"""Serve HTTP and HTTPS listeners: find a request's action and its member."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from local_cloud.metrics.meter import Handled
from local_cloud.traffic import accepting, cookies, messages, routing, rules
from local_cloud.traffic.exchange import Exchange
from local_cloud.traffic.plan import Answer, Forward, Redirect

if TYPE_CHECKING:
    import socket
    import ssl

    from local_cloud.traffic.nodes import Nodes
    from local_cloud.traffic.plan import Action, Balancer, Listener
    from local_cloud.traffic.routing import Candidate, Choices

LIMIT = 1 << 16
"""Maximum bytes of a request's headers ("HTTP 400: Bad request")."""
IMMEDIATELY = 0.01


@dataclass(kw_only=True)
class Proxy:
    """One listener; its settings change in place, and its connections stay."""

    nodes: Nodes
    balancer: Balancer
    listener: Listener
    _servers: dict[float, web.Server] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    async def open(self, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Start serving."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=bound, ssl=tls)

    def _connection(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, with the present idle timeout."""
        self.nodes.meter.connection(self.balancer.key)
        idle = self.nodes.pace.idle(self.balancer.idle)
        if idle not in self._servers:
            self._servers[idle] = web.Server(
                self._handle,
                handler_cancellation=True,
                keepalive_timeout=idle,
                access_log=None,
                max_line_size=LIMIT,
                max_field_size=LIMIT,
            )
        return self._servers[idle]()

    async def close(self) -> None:
        """Stop serving and close the connections."""
        if self._server:
            await accepting.stop(self._server)
        await asyncio.gather(*(server.shutdown(IMMEDIATELY) for server in self._servers.values()))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        handled = Handled()
        try:
            response = await self._act(request, handled)
        except asyncio.CancelledError:
            handled.by_member = False
            self.nodes.meter.request(self.balancer.key, messages.CLIENT_LEFT, handled)
            raise
        self.nodes.meter.request(self.balancer.key, response.status, handled)
        return response

    async def _act(self, request: web.BaseRequest, handled: Handled) -> web.StreamResponse:
        if request.method == "TRACE" and self.balancer.kind == "application":
            return messages.page(self.balancer.kind, 405)
        action = self._action(request)
        match action:
            case Forward():
                return await self._forward(request, action, handled)
            case Answer():
                return web.Response(
                    status=action.status,
                    body=action.body.encode(),
                    headers={"Server": "awselb/2.0", "Content-Type": action.content_type},
                )
            case Redirect():
                where = rules.location(action, self._facts(request))
                return messages.page(self.balancer.kind, action.status, {"Location": where})

    def _action(self, request: web.BaseRequest) -> Action:
        known = self.nodes.rules.of(self.balancer, self.listener)
        return rules.action(known, self._facts(request)) if known.rules else known.default

    def _facts(self, request: web.BaseRequest) -> rules.Request:
        return rules.Request(
            method=request.method,
            protocol=self.listener.protocol.lower(),
            host=request.headers.get("Host", self.balancer.address).rsplit(":", 1)[0],
            port=self.listener.port,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            source=request.remote or "",
            headers=tuple(request.headers.items()),
        )

    async def _forward(
        self, request: web.BaseRequest, forward: Forward, handled: Handled
    ) -> web.StreamResponse:
        pool = self._pool(request, forward)
        choices = self.nodes.registry.choices(pool) if pool else None
        candidate = self._candidate(request, choices) if choices else None
        if pool is None or choices is None or candidate is None:
            return messages.page(self.balancer.kind, 503)
        handled.pool = pool
        handled.by_member = candidate.answers != ""
        if fails_by_behavior(candidate, choices, request):
            return messages.page(self.balancer.kind, 500, messages.BY_BEHAVIOR)
        if candidate.answers == "200":
            return web.Response(text="local cloud: in place of a hollow instance\n")
        handled.by_member = False
        exchange = Exchange(
            nodes=self.nodes,
            kind=self.balancer.kind,
            request=request,
            handled=handled,
            headers=messages.forwarded(
                request, self.balancer.kind, self.listener.protocol.lower(), self.listener.port
            ),
            to=candidate.key,
            url=self._url(candidate, request),
            cookies=self._cookies(forward, pool, choices, candidate),
        )
        return await exchange.run(self.nodes.pace.idle(self.balancer.idle))

    def _pool(self, request: web.BaseRequest, forward: Forward) -> str | None:
        if forward.sticky is not None:
            pools = [pool for pool, _ in forward.pools]
            if named := self.nodes.cookies.read(request.cookies, cookies.POOL, pools):
                return named
        return routing.weighted(forward, self.nodes.chance)

    def _candidate(self, request: web.BaseRequest, choices: Choices) -> Candidate | None:
        name = cookies.MEMBER.get(self.balancer.kind)
        if choices.pool.sticky is not None and name:
            named = self.nodes.cookies.read(request.cookies, name, choices.eligible())
            if named:
                return named
        return self.nodes.choose(choices)

    def _cookies(
        self, forward: Forward, pool: str, choices: Choices, candidate: Candidate
    ) -> tuple[str, ...]:
        delay, write = self.nodes.pace.delay, self.nodes.cookies.write
        written = []
        if forward.sticky is not None:
            written.append(write(cookies.POOL, pool, delay(forward.sticky)))
        name = cookies.MEMBER.get(self.balancer.kind)
        if choices.pool.sticky is not None and name:
            written.append(write(name, candidate, delay(choices.pool.sticky)))
        return tuple(written)

    def _url(self, candidate: Candidate, request: web.BaseRequest) -> URL:
        port = self.listener.member_port or candidate.port
        path = request.raw_path
        if not path.startswith("/"):
            path = request.rel_url.raw_path_qs
        return URL(f"http://{candidate.address}:{port}{path}", encoded=True)


def fails_by_behavior(candidate: Candidate, choices: Choices, request: web.BaseRequest) -> bool:
    """Return True if the member fails this request by its behavior."""
    match candidate.answers:
        case "500":
            return True
        case "500-but-health":
            return request.raw_path != choices.pool.check.path
        case _:
            return False
