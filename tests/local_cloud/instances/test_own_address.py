"""Programs that listen on every address get that of their instance."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from local_cloud.instances.own_address import OwnAddress, is_for_every_address

BINDS = """
import json, socket
def bound(family, address, port, v6only=None, kind=socket.SOCK_STREAM):
    made = socket.socket(family, kind)
    if v6only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    try:
        made.bind((address, port))
    except OSError as error:
        return error.errno
    return made.getsockname()[:2]
free = socket.create_server(("127.0.0.79", 0))
port = free.getsockname()[1]
print(json.dumps([
    port,
    bound(socket.AF_INET, "0.0.0.0", port),
    bound(socket.AF_INET6, "::", port, 1),
    bound(socket.AF_INET, "127.0.0.78", port),
    bound(socket.AF_INET, "0.0.0.0", 0),
    bound(socket.AF_INET, "0.0.0.0", port, kind=socket.SOCK_DGRAM),
    bound(socket.AF_INET, "127.0.0.79", port),
]))
"""
BOTH = """
import socket
made = socket.socket(socket.AF_INET6)
made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
made.bind(("::", 45077))
print(made.getsockname()[0])
"""
PYTHON = (sys.executable, "-S", "-c")
ADDRESS = "127.0.0.77"


async def output(*program: str) -> str:
    own = OwnAddress(address=ADDRESS)
    own.open()
    process = await asyncio.create_subprocess_exec(
        *own.words, *program, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    await asyncio.sleep(0)
    own.close()
    return printed.decode()


def test_a_port_of_every_address_is_that_of_the_instance_and_all_else_is_as_asked() -> None:
    port, own, six, other, client, datagrams, taken = json.loads(
        asyncio.run(output(*PYTHON, BINDS))
    )
    assert own == [ADDRESS, port]  # although 127.0.0.79 has the port
    assert six[0] == "::1"
    assert six[1] != port
    assert other == ["127.0.0.78", port]
    assert client[0] == "0.0.0.0"  # noqa: S104  what a client asks for
    assert datagrams == ["0.0.0.0", port]  # noqa: S104
    assert taken == 98  # EADDRINUSE


def test_a_socket_for_both_families_gets_the_address_of_the_instance() -> None:
    assert asyncio.run(output(*PYTHON, BOTH)) == f"::ffff:{ADDRESS}\n"


def test_a_program_ends_by_a_broken_pipe_as_without_this() -> None:
    assert asyncio.run(output("/bin/sh", "-c", "kill -PIPE $$; echo survived")) == ""


@pytest.mark.parametrize(
    ("asked", "expected"), [(b"", False), (b"\1\0/run/x", False), (b"\2\0\0\x50\0\0\0\0", True)]
)
def test_only_a_port_of_every_address_is_replaced(asked: bytes, expected: bool) -> None:
    assert is_for_every_address(asked) is (expected and sys.byteorder == "little")
