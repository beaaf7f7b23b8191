"""Serve instance metadata: one server on each instance's own address.

EC2 User Guide, "Use the Instance Metadata Service to access instance metadata". The token
(version 2) always works. Version 1 works only if the instance's metadata options are `optional`,
which is the default of RunInstances for an AMI that does not require tokens.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/latest"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105  the name of a header
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
LONGEST = 21600


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The metadata of one instance."""

    enabled: bool
    token_required: bool
    user_data: bytes
    document: Mapping[str, Any]
    tree: Mapping[str, str]  # path below meta-data -> value


class Metadata:
    """The server; it answers on every attached address."""

    def __init__(self, port: int, find: Callable[[str], Facts | None]) -> None:
        self._port = port
        self._find = find
        self._sites: dict[str, web.TCPSite] = {}
        self._tokens: dict[tuple[str, str], float] = {}
        application = web.Application()
        application.router.add_put(f"{PREFIX}/api/token", self._token)
        application.router.add_get(f"{PREFIX}/{{path:.*}}", self._get)
        self._runner = web.AppRunner(application, access_log=None)

    async def open(self) -> None:
        """Start the server, without any address."""
        await self._runner.setup()

    async def attach(self, address: str) -> None:
        """Start answering on the address of an instance."""
        if address not in self._sites:
            site = web.TCPSite(self._runner, address, self._port, shutdown_timeout=0.1)
            await site.start()
            self._sites[address] = site

    async def detach(self, address: str) -> None:
        """Stop answering on the address of an instance."""
        if site := self._sites.pop(address, None):
            await site.stop()
        self._tokens = {key: end for key, end in self._tokens.items() if key[0] != address}

    async def close(self) -> None:
        """Stop the server."""
        await self._runner.cleanup()
        self._sites.clear()

    async def _token(self, request: web.Request) -> web.Response:
        if "X-Forwarded-For" in request.headers:
            raise web.HTTPForbidden
        seconds = request.headers.get(TTL, "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= LONGEST:
            raise web.HTTPBadRequest
        token = base64.urlsafe_b64encode(secrets.token_bytes(40)).decode()
        self._tokens[address_of(request), token] = time.monotonic() + int(seconds)
        return web.Response(text=token, headers={TTL: seconds})

    async def _get(self, request: web.Request) -> web.Response:
        address = address_of(request)
        facts = await asyncio.to_thread(self._find, address)
        if facts is None:
            raise web.HTTPNotFound
        self._authorize(request, address, facts)
        found = find_value(facts, request.match_info["path"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found, content_type="text/plain")

    def _authorize(self, request: web.Request, address: str, facts: Facts) -> None:
        if not facts.enabled:
            raise web.HTTPForbidden
        token = request.headers.get(TOKEN)
        if token is None and not facts.token_required:
            return
        if self._tokens.get((address, token or ""), 0.0) < time.monotonic():
            raise web.HTTPUnauthorized


def address_of(request: web.Request) -> str:
    """Return the address that a request came to, which identifies the instance."""
    transport = request.transport
    return str(transport.get_extra_info("sockname")[0]) if transport else ""


def find_value(facts: Facts, path: str) -> bytes | None:
    """Return a value or the listing of a folder, or None."""
    if path == "user-data":
        return facts.user_data or None
    if path == "dynamic/instance-identity/document":
        return json.dumps(facts.document, indent=2).encode()
    if path in {"", "."}:
        return b"dynamic\nmeta-data\nuser-data"
    head, _, rest = path.partition("/")
    if head != "meta-data":
        return None
    if rest in facts.tree:
        return facts.tree[rest].encode()
    return listing(facts.tree, rest)


def listing(tree: Mapping[str, str], path: str) -> bytes | None:
    """Return the names in a folder, folders with a slash as EC2 lists them."""
    prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
    names: dict[str, None] = {}
    for key in sorted(tree):
        if key.startswith(prefix):
            head, is_folder, _ = key.removeprefix(prefix).partition("/")
            names[head + is_folder] = None
    return "\n".join(names).encode() if names else None
