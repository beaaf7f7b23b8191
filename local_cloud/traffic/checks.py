"""Check the health of members, each in its own task.

Application Load Balancers, "Health checks for target groups"; Classic Load Balancers, "Configure
health checks". Each check closes its connection. The time that a member takes to answer does not
delay the next check, but checks of one member never overlap.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from local_cloud.traffic import targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.traffic.pace import Pace
    from local_cloud.traffic.plan import Check, Kind, Member
    from local_cloud.traffic.registry import Registry
    from local_cloud.traffic.targets import Key, Result

AGENTS: dict[Kind, str] = {
    "classic": "ELB-HealthChecker/1.0",
    "application": "ELB-HealthChecker/2.0",
    "network": "ELB-HealthChecker/2.0",
}


@dataclass(kw_only=True)
class Checker:
    """Checks the members that the registry lists; runs on the event loop."""

    registry: Registry
    pace: Pace
    cut: Callable[[Key], None]  # ends what is in flight to a member
    _tasks: dict[tuple[Key, object], asyncio.Task[None]] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    def follow(self) -> None:
        """Start and stop checks as the registry lists them."""
        wanted = self.registry.to_check()
        for ended in self._tasks.keys() - wanted.keys():
            self._tasks.pop(ended).cancel()
        for new in wanted:
            if new not in self._tasks:
                self._tasks[new] = asyncio.create_task(self._keep_checking(*new))

    async def close(self) -> None:
        """Stop all checks."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _keep_checking(self, key: Key, round_: object) -> None:
        while found := self.registry.check(key, round_):
            pool, member, check = found
            began = asyncio.get_running_loop().time()
            result = await self._check(pool.kind, member, check)
            if self.registry.record(key, round_, result):
                self.cut(key)
            passed = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, self.pace.interval(check.interval) - passed))

    async def _check(self, kind: Kind, member: Member, check: Check) -> Result:
        if member.answers == "200":
            return targets.PASSED
        if member.answers == "500" and check.protocol != "TCP":
            return judge(check, 500)
        if member.address is None:
            return targets.TIMED_OUT
        port = check.port or member.port
        seconds = self.pace.timeout(check.timeout)
        if check.protocol == "TCP":
            return await connect(member.address, port, seconds)
        url = f"{check.protocol.lower()}://{member.address}:{port}{check.path}"
        return await request(self._clients(), check, url, AGENTS[kind], seconds)

    def _clients(self) -> aiohttp.ClientSession:
        """Return the session: a new connection for each check, and no cookies."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=False, force_close=True, limit=0, use_dns_cache=False
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def connect(address: str, port: int, seconds: float) -> Result:
    """Check by opening a connection."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return targets.TIMED_OUT
    except OSError:
        return targets.NOT_REACHED
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return targets.PASSED


async def request(
    session: aiohttp.ClientSession, check: Check, url: str, agent: str, seconds: float
) -> Result:
    """Check with a GET; certificates are not verified, redirects not followed."""
    headers = {"User-Agent": agent, "Accept-Encoding": "gzip, compressed", "Connection": "close"}
    try:
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with session.get(
            url, headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            await response.read()
            return judge(check, response.status)
    except TimeoutError:
        return targets.TIMED_OUT
    except (aiohttp.ClientError, OSError, ValueError):
        return targets.NOT_REACHED


def judge(check: Check, code: int) -> Result:
    """Return the result of a check that was answered."""
    return targets.PASSED if matches(check.matcher, code) else targets.wrong_code(code)


def matches(matcher: str, code: int) -> bool:
    """Return True if a matcher has a code: "200", "200,202", "200-299"."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= code <= int(last or first):
            return True
    return False
