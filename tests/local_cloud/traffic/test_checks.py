"""Health checks against real programs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from local_cloud.traffic import certificates
from local_cloud.traffic.checks import matches
from local_cloud.traffic.plan import Check, Health, Kind, Member
from tests.local_cloud.traffic.stage import SHORT, Stage, address, free, pool, staged, until

if TYPE_CHECKING:
    from local_cloud.traffic.targets import Result


@pytest.mark.parametrize(
    ("matcher", "code", "passes"),
    [
        ("200", 200, True),
        ("200", 201, False),
        ("200,301", 301, True),
        ("200-299", 299, True),
        ("200-299", 300, False),
        ("200, 300-302", 302, True),
    ],
)
def test_a_matcher_allows(matcher: str, code: int, passes: bool) -> None:
    assert matches(matcher, code) is passes


@pytest.mark.parametrize(
    ("kind", "agent"),
    [("application", "ELB-HealthChecker/2.0"), ("classic", "ELB-HealthChecker/1.0")],
)
def test_checks_ask_the_path_at_once_and_again_after_every_interval(kind: Kind, agent: str) -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        await stage.carry(pool(one.member(), kind=kind), kind=kind)
        await until(lambda: len(one.checks) >= 3)
        (first, *_) = one.checks
        assert (first.method, first.raw_path) == ("GET", "/health")
        assert first.headers["User-Agent"] == agent
        assert first.headers["Host"] == f"{one.address}:{one.port}"
        await stage.settled("one")

    staged(test)


def test_the_first_check_does_not_wait_for_the_interval() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        check = Check(protocol="HTTP", port=0, path="/health", interval=300)
        await stage.carry(pool(one.member(), check=check))
        await stage.settled("one")
        assert len(one.checks) == 1

    staged(test, speed=1)


def test_a_check_goes_to_the_port_it_names() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        check = Check(protocol="HTTP", port=one.port, path="/health", interval=1)
        await stage.carry(pool(one.member(port=1), check=check))
        await stage.settled("one")

    staged(test)


async def told(stage: Stage, member: Member, protocol: str = "HTTP") -> Health:
    """Register one member and wait until it is unhealthy."""
    check = Check(protocol=protocol, port=0, path="/health", interval=1, timeout=2)  # type: ignore[arg-type]
    await stage.carry(pool(member, check=check))
    await until(lambda: stage.health().state == "unhealthy")
    return stage.health()


MALFORMED = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("answer", "reason", "description"),
    [
        (MALFORMED, "Target.FailedHealthChecks", "Health checks failed"),
        (None, "Target.FailedHealthChecks", "Health checks failed"),
        (HALF, "Target.FailedHealthChecks", "Health checks failed"),
        (
            MOVED,
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [302]",
        ),
    ],
    ids=["malformed", "nothing", "half", "moved"],
)
def test_a_bad_answer_to_a_check(answer: bytes | None, reason: str, description: str) -> None:
    async def test(stage: Stage) -> None:
        health = await told(stage, await stage.raw(lambda _request: answer))
        assert (health.reason, health.description) == (reason, description)

    staged(test)


def test_a_closed_port_fails_the_checks() -> None:
    async def test(stage: Stage) -> None:
        host = address()
        member = Member(id="i-1", address=host, port=free(host), zone="a")
        for protocol in ("HTTP", "TCP"):
            health = await told(stage, member, protocol)
            assert health.reason == "Target.FailedHealthChecks"

    staged(test)


def test_a_program_that_does_not_answer_times_out_and_checks_do_not_overlap() -> None:
    async def test(stage: Stage) -> None:
        asking = most = 0
        ask = stage.data_plane._checker._check

        async def counted(*given: Any) -> Result:
            nonlocal asking, most
            asking += 1
            most = max(most, asking)
            try:
                return await ask(*given)
            finally:
                asking -= 1

        stage.data_plane._checker._check = counted  # type: ignore[method-assign,assignment]
        one = await stage.backend("one")
        one.answer = never  # type: ignore[method-assign,assignment]
        health = await told(stage, one.member())
        assert (health.reason, health.description) == ("Target.Timeout", "Request timed out")
        assert most == 1

    staged(test, patience=SHORT)


async def never(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


def test_a_member_without_an_address_times_out() -> None:
    async def test(stage: Stage) -> None:
        health = await told(stage, Member(id="i-1", port=80, address=None, zone="a"))
        assert health.reason == "Target.Timeout"

    staged(test)


def test_a_tcp_check_only_connects() -> None:
    async def test(stage: Stage) -> None:
        member = await stage.raw(lambda _request: None)
        check = Check(protocol="TCP", port=0, interval=1)
        await stage.carry(pool(member, check=check))
        await stage.settled("raw")

    staged(test)


def test_an_https_check_does_not_verify_the_certificate() -> None:
    async def test(stage: Stage) -> None:
        host = address()
        asked: list[str] = []

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            asked.append(request.raw_path)
            return web.Response()

        loop = asyncio.get_running_loop()
        site = web.Server(answer, access_log=None)
        server = await loop.create_server(site, host, 0, ssl=certificates.context("127.0.0.99"))
        stage.leave.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        check = Check(protocol="HTTPS", port=0, path="/tls", interval=1)
        await stage.carry(pool(Member(id="i-one", port=port, address=host, zone="a"), check=check))
        await stage.settled("one")
        assert asked[0] == "/tls"
        await site.shutdown(0.01)

    staged(test)


def test_a_member_recovers_after_the_healthy_threshold() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", healthy=503)
        await stage.carry(pool(one.member()))
        await stage.settled("one", state="unhealthy")
        one.healthy = 200
        await stage.settled("one")

    staged(test)


def test_members_of_an_unused_group_and_members_that_left_are_not_checked() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        unused = pool(two.member(), key="unused", zones=frozenset())
        await stage.carry(pool(one.member()), unused)
        await stage.settled("one")
        stage.data_plane.apply(stage.plan(pool(), unused))
        await until(lambda: not stage.data_plane._checker._tasks)
        assert (stage.states(), two.checks) == ({"i-one": "draining"}, [])

    staged(test)
