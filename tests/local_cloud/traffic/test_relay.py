"""TCP and SSL listeners."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from local_cloud.traffic.plan import Kind
from tests.local_cloud.traffic.stage import (
    SHORT,
    Stage,
    a_tcp_pool,
    echoing,
    staged,
    until,
    where,
)


@pytest.mark.parametrize("kind", ["network", "classic"])
def test_connections_take_turns_and_bytes_go_both_ways(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        members = [await echoing(stage, name) for name in ("one", "two")]
        url = await stage.carry(a_tcp_pool(*members, kind=kind), kind=kind, protocol="TCP")
        assert url.startswith("tcp://")
        await stage.settled("one", "two")
        names = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection(*where(url))
            names.append(await reader.readline())
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.write_eof()  # the other direction stays open
            assert await reader.read() == b"bye\n"
            writer.close()
        assert sorted(names) == [b"one\n", b"one\n", b"two\n", b"two\n"]

    staged(test)


def test_ssl_ends_at_the_load_balancer() -> None:
    async def test(stage: Stage) -> None:
        member = await echoing(stage, "one")
        url = await stage.carry(a_tcp_pool(member, kind="classic"), kind="classic", protocol="SSL")
        await stage.settled("one")
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(*where(url), ssl=trusting)
        assert await reader.readline() == b"one\n"
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.transport.abort()

    staged(test)


def test_without_a_member_the_connection_is_closed() -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(a_tcp_pool(), protocol="TCP", kind="network")
        await closed(*await asyncio.open_connection(*where(url)))

    staged(test)


async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()


def test_a_connection_goes_on_while_its_member_drains_and_is_cut_at_the_end() -> None:
    async def test(stage: Stage) -> None:
        member = await echoing(stage, "one")
        url = await stage.carry(a_tcp_pool(member, delay=40), protocol="TCP", kind="network")
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*where(url))
        await reader.readline()
        stage.data_plane.apply(stage.plan(a_tcp_pool(delay=40), protocol="TCP", kind="network"))
        writer.write(b"still\n")
        assert await reader.readline() == b"still\n"
        assert stage.states() == {"i-one": "draining"}
        await closed(reader, writer)
        assert not stage.states()

    staged(test)


def test_a_network_load_balancer_keeps_a_connection_to_a_drained_member_until_it_ends() -> None:
    async def test(stage: Stage) -> None:
        member = await echoing(stage, "one")
        before, after = a_tcp_pool(member, delay=5, cuts=False), a_tcp_pool(delay=5, cuts=False)
        url = await stage.carry(before, protocol="TCP", kind="network")
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*where(url))
        await reader.readline()
        stage.data_plane.apply(stage.plan(after, protocol="TCP", kind="network"))
        await until(lambda: not stage.states())
        await closed(*await asyncio.open_connection(*where(url)))
        writer.write(b"still\n")
        assert await reader.readline() == b"still\n"
        writer.write_eof()
        assert await reader.read() == b"bye\n"
        writer.close()

    staged(test)


@pytest.mark.long
def test_an_idle_connection_is_closed() -> None:
    async def test(stage: Stage) -> None:
        member = await echoing(stage, "one")
        url = await stage.carry(a_tcp_pool(member), protocol="TCP", kind="network", idle=1)
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*where(url))
        await reader.readline()
        await closed(reader, writer)

    staged(test, patience=SHORT)


def test_a_member_that_refuses_closes_the_connection() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(a_tcp_pool(one.member()), protocol="TCP", kind="network")
        await stage.settled("one")
        await one.stop()
        await closed(*await asyncio.open_connection(*where(url)))

    staged(test, speed=20)


def test_a_deleted_listener_closes_its_connections() -> None:
    async def test(stage: Stage) -> None:
        member = await echoing(stage, "one")
        tcp = a_tcp_pool(member)
        url = await stage.carry(tcp, protocol="TCP", kind="network")
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*where(url))
        await reader.readline()
        stage.data_plane.apply(type(stage.plan(tcp))(pools=(tcp,)))
        await closed(reader, writer)
        await until(lambda: not stage.data_plane.urls())

    staged(test)
