"""Requests through a load balancer: who gets them, and what the client gets."""

from __future__ import annotations

import asyncio
import gzip
import socket

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from local_cloud.traffic.plan import Answer, Condition, Forward, Kind, Redirect, Rule
from tests.local_cloud.traffic.stage import SHORT, Stage, pool, staged, until

BOTH: tuple[Kind, ...] = ("application", "classic")


@pytest.mark.parametrize("kind", BOTH)
def test_healthy_members_get_requests_in_turn(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        url = await stage.carry(pool(one.member(), two.member(), kind=kind), kind=kind)
        await stage.settled("one", "two")
        answers = [await stage.get(url) for _ in range(6)]
        assert sorted(answers) == [(200, "one")] * 3 + [(200, "two")] * 3

    staged(test)


@pytest.mark.parametrize("kind", BOTH)
def test_without_members_the_answer_is_503(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(pool(kind=kind), kind=kind)
        async with stage.client.get(url) as answer:
            assert (answer.status, answer.reason) == (503, "Service Temporarily Unavailable")

    staged(test)


def test_a_classic_load_balancer_answers_503_without_a_healthy_instance() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", healthy=500)
        url = await stage.carry(pool(one.member(), kind="classic"), kind="classic")
        await stage.settled("one", state="unhealthy")
        assert (await stage.get(url))[0] == 503

    staged(test)


def test_an_alb_without_a_healthy_target_sends_to_all_and_they_stay_unhealthy() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one", healthy=500), await stage.backend("two", healthy=404)
        url = await stage.carry(pool(one.member(), two.member()))
        await stage.settled("one", "two", state="unhealthy")
        assert {await stage.get(url) for _ in range(2)} == {(200, "one"), (200, "two")}
        assert set(stage.states().values()) == {"unhealthy"}

    staged(test)


@pytest.mark.parametrize(
    "given",
    [None, b"nonsense\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n"],
    ids=["nothing", "text", "code"],
)
@pytest.mark.parametrize("kind", BOTH)
def test_an_invalid_response_is_502(given: bytes | None, kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        fine = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        member = await stage.raw(lambda request: fine if b"/health" in request else given)
        url = await stage.carry(pool(member, kind=kind), kind=kind)
        await stage.settled("raw")
        assert (await stage.get(url))[0] == 502
        async with stage.client.post(url, data=b"x") as answer:
            assert (answer.status, answer.reason) == (502, "Bad Gateway")

    staged(test)


def test_a_member_that_refuses_connections_is_502_until_the_checks_notice() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        await one.stop()
        assert (await stage.get(url))[0] == 502

    staged(test, speed=1)


@pytest.mark.parametrize("kind", BOTH)
def test_no_answer_within_the_idle_timeout_is_504(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=never)
        url = await stage.carry(pool(one.member(), kind=kind), kind=kind, idle=1)
        await stage.settled("one")
        async with stage.client.get(url) as answer:
            assert (answer.status, answer.reason) == (504, "Gateway Time-out")

    staged(test, patience=SHORT)


async def never(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


def test_a_client_that_does_not_send_its_body_gets_408() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=echo)
        url = await stage.carry(pool(one.member()), idle=1)
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*parts(url))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        writer.close()

    staged(test, patience=SHORT)


def parts(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=await request.read())


def test_bodies_are_passed_on_as_they_come_in_both_directions() -> None:
    async def test(stage: Stage) -> None:
        seen: list[bytes] = []

        async def talk(request: web.BaseRequest) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            async for chunk in request.content.iter_any():
                seen.append(chunk)
                await answer.write(b"got " + chunk)
            return answer

        one = await stage.backend("one", handler=talk)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        answered = asyncio.Event()

        async def upload() -> object:
            yield b"first"
            await answered.wait()  # only what was not kept anywhere can be answered yet
            yield b"second"

        async with stage.client.post(url, data=upload()) as answer:
            assert await answer.content.readany() == b"got first"
            answered.set()
            assert await answer.content.read() == b"got second"
        assert seen == [b"first", b"second"]

    staged(test)


def test_a_long_body_keeps_its_length_and_every_byte() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=echo)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        body = bytes(range(256)) * 2000
        async with stage.client.put(url, data=body) as answer:
            assert answer.headers["Content-Length"] == "512000"
            assert await answer.read() == body
        assert one.requests[0].headers["Content-Length"] == "512000"
        assert "Transfer-Encoding" not in one.requests[0].headers

    staged(test)


def test_a_request_arrives_as_it_was_sent_with_what_a_load_balancer_adds() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        headers = {
            "Host": "shop.example.com",
            "X-Forwarded-For": "203.0.113.7, 10.0.0.1",
            "X-Forwarded-Proto": "gopher",
            "Connection": "keep-alive, X-Mine",
            "X-Mine": "1",
            "Keep-Alive": "5",
            "X-Kept": "yes",
        }
        await stage.get(URL(f"{url}/a%20b//c?x=%2F&y", encoded=True), headers=headers)
        (got,) = one.requests
        assert got.raw_path == "/a%20b//c?x=%2F&y"
        assert got.headers["Host"] == "shop.example.com"
        assert got.headers["X-Forwarded-For"] == "203.0.113.7, 10.0.0.1, 127.0.0.1"
        assert got.headers["X-Forwarded-Proto"] == "http"
        assert got.headers["X-Forwarded-Port"] == url.rsplit(":", 1)[1]
        assert got.headers["X-Amzn-Trace-Id"].startswith("Root=1-")
        assert got.headers["X-Kept"] == "yes"
        assert not {"X-Mine", "Keep-Alive", "Connection"} & set(got.headers)

    staged(test)


def test_an_answer_comes_back_as_it_was_sent() -> None:
    async def test(stage: Stage) -> None:
        body = gzip.compress(b"hello")

        async def answer(_request: web.BaseRequest) -> web.StreamResponse:
            given = web.Response(status=418, body=body, reason="Short and stout")
            given.headers.update({"Content-Encoding": "gzip", "Server": "mine"})
            given.headers.add("Set-Cookie", "a=1")
            given.headers.add("Set-Cookie", "b=2")
            return given

        one = await stage.backend("one", handler=answer)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        async with stage.client.get(url) as got:
            assert (got.status, got.reason) == (418, "Short and stout")
            assert got.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert got.headers["Content-Length"] == str(len(body))
            assert got.headers["Server"] == "mine"
            assert await got.text() == "hello"

    staged(test)


def test_the_answer_to_head_has_the_length_and_no_body() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        async with stage.client.head(url) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "3")
        assert await stage.get(url) == (200, "one")

    staged(test)


def test_the_load_balancer_itself_says_100_continue() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=echo)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        async with stage.client.post(url, data=b"x" * 1000, expect100=True) as answer:
            assert len(await answer.read()) == 1000
        assert "Expect" not in one.requests[0].headers

    staged(test)


def test_connections_are_kept_to_the_client_and_to_the_member() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*parts(url))
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(3) == b"one"
        assert len(one.clients) == 1
        writer.close()

    staged(test, speed=1)


def test_an_idle_connection_of_a_client_is_closed() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()), idle=1)
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*parts(url))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"one")
        writer.close()

    staged(test, patience=SHORT)


def test_a_member_that_closes_after_every_answer_costs_no_request() -> None:
    async def test(stage: Stage) -> None:
        fine = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        member = await stage.raw(lambda _request: fine)
        url = await stage.carry(pool(member))
        await stage.settled("raw")
        assert {await stage.get(url) for _ in range(40)} == {(200, "ok")}

    staged(test)


def test_a_client_that_disconnects_is_460_and_its_request_ends() -> None:
    async def test(stage: Stage) -> None:
        ended = asyncio.Event()

        async def forever(request: web.BaseRequest) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            try:
                while True:
                    await answer.write(b"x")
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        one = await stage.backend("one", handler=forever)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        _, writer = await asyncio.open_connection(*parts(url))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: one.requests)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 10)
        tally = stage.tally()
        assert (tally.by_balancer, tally.by_member) == ({460: 1}, {})

    staged(test)


def test_an_alb_does_not_take_trace() -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(pool())
        async with stage.client.request("TRACE", url) as answer:
            assert answer.status == 405

    staged(test)


@pytest.mark.parametrize(
    ("answers", "state"), [("500", "unhealthy"), ("500-but-health", "healthy")]
)
def test_a_member_can_fail_by_its_behavior(answers: str, state: str) -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member(answers=answers)))
        await stage.settled("one", state=state)
        async with stage.client.get(url) as answer:
            assert (answer.status, answer.headers["X-Local-Cloud"]) == (500, "behavior")
        expected = 200 if answers == "500-but-health" else 500
        assert (await stage.get(f"{url}/health"))[0] == expected

    staged(test)


def test_rules_answer_redirect_and_forward() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")

        def rule(path: str, action: Answer | Redirect | Forward) -> Rule:
            condition = Condition(field="path-pattern", values=(path,))
            return Rule(conditions=(condition,), action=action)

        url = await stage.carry(
            pool(one.member()),
            pool(two.member(), key="other"),
            rules=(
                rule("/fixed", Answer(status=418, content_type="application/json", body="{}")),
                rule("/old/*", Redirect(status=302, host="new.example", port="81", query="")),
                rule("/two", Forward(pools=(("other", 1),))),
            ),
        )
        await stage.settled("one")
        await stage.settled("two", key="other")
        async with stage.client.get(f"{url}/fixed") as answer:
            assert (answer.status, answer.content_type) == (418, "application/json")
            assert answer.headers["Server"] == "awselb/2.0"
            assert await answer.text() == "{}"
        async with stage.client.get(f"{url}/old/x?y", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (
                302,
                "http://new.example:81/old/x",
            )
        assert await stage.get(f"{url}/two") == (200, "two")
        assert await stage.get(f"{url}/else") == (200, "one")

    staged(test)


def test_a_sticky_client_stays_with_its_target_until_that_is_deregistered() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        sticky = {"sticky": 86400.0}
        url = await stage.carry(pool(one.member(), two.member(), **sticky))
        await stage.settled("one", "two")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:

            async def get() -> str:
                async with client.get(url) as answer:
                    assert "AWSALB" in answer.cookies
                    return await answer.text()

            (mine,) = {await get() for _ in range(5)}
            left = two if mine == "one" else one
            stage.data_plane.apply(stage.plan(pool(left.member(), **sticky)))
            assert {await get() for _ in range(5)} == {left.name}

    staged(test)


def test_a_sticky_client_stays_with_its_target_group() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        url = await stage.carry(
            pool(one.member()),
            pool(two.member(), key="other"),
            default=Forward(pools=(("pool", 1), ("other", 1)), sticky=3600.0),
        )
        await stage.settled("one")
        await stage.settled("two", key="other")
        clients = [aiohttp.CookieJar(unsafe=True) for _ in range(12)]
        groups = set()
        for jar in clients:
            async with aiohttp.ClientSession(cookie_jar=jar) as client:
                answers = set()
                for _ in range(3):
                    async with client.get(url) as answer:
                        answers.add(await answer.text())
                assert len(answers) == 1
                groups |= answers
        assert groups == {"one", "two"}

    staged(test)


def test_a_slow_client_is_not_answered_faster_than_it_reads() -> None:
    async def test(stage: Stage) -> None:
        sent = 0

        async def pour(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal sent
            answer = web.StreamResponse()
            await answer.prepare(request)
            for _ in range(400):
                await answer.write(bytes(1 << 16))
                sent += 1 << 16
            return answer

        one = await stage.backend("one", handler=pour)
        url = await stage.carry(pool(one.member()), idle=3600)
        await stage.settled("one")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, parts(url))
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: sent)
            before = -1
            while before != sent:  # until it stands still
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 400 << 16
            received = 0
            while received < 400 << 16:
                received += len(await loop.sock_recv(client, 1 << 20))
        assert sent == 400 << 16

    staged(test)
