"""The way to hosts that are not of AWS, with a user's own proxy that records what it gets."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from local_cloud.api import tunnel
from local_cloud.api.tunnel import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXY = "http://proxy.corp:3128"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Upstream()),
        ({"HTTPS_PROXY": PROXY}, Upstream(https=PROXY)),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, Upstream(https=PROXY)),
        (
            {"http_proxy": "http://plain", "NO_PROXY": ".corp"},
            Upstream(http="http://plain", exceptions=".corp"),
        ),
    ],
)
def test_the_users_proxies_come_from_the_environment(
    environ: dict[str, str], expected: Upstream
) -> None:
    assert Upstream.of(environ) == expected


@pytest.mark.parametrize(
    ("host", "exceptions", "exempt"),
    [
        ("example.com", "", False),
        ("git.corp", ".corp", True),
        ("git.corp", "corp", True),
        ("example.com", "*", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "*", True),
        ("10.1.2.3", "192.168.0.0/16, x", False),
        ("127.16.1.1", "", True),
        ("localhost", "", True),
        ("::1", "", True),
    ],
)
def test_loopback_and_what_no_proxy_names_is_reached_directly(
    host: str, exceptions: str, *, exempt: bool
) -> None:
    assert tunnel.is_exempt(host, exceptions) is exempt


@contextlib.contextmanager
def a_proxy(answer: bytes, heads: list[str]) -> Iterator[str]:
    """Run a proxy for one connection, which answers and then sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                heads.append(tunnel.read_head(client))
                client.sendall(answer)
                while data := client.recv(100):
                    client.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"user:p%40ss@127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_a_tunnel_goes_through_the_users_proxy_with_its_password() -> None:
    heads: list[str] = []
    with a_proxy(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", heads) as proxy:
        made = Upstream(https=proxy).tunnel("example.com", 443)
        with made:
            made.sendall(b"hello")
            assert made.recv(100) == b"hello"
    assert heads[0].splitlines()[:3] == [
        "CONNECT example.com:443 HTTP/1.1",
        "Host: example.com:443",
        "Proxy-Authorization: Basic dXNlcjpwQHNz",
    ]


def test_the_refusal_of_the_users_proxy_is_told_without_its_password() -> None:
    with (
        a_proxy(b"HTTP/1.1 407 Who?\r\n\r\n", []) as proxy,
        pytest.raises(OSError, match=r"the proxy 127\.0\.0\.1:\d+ said: HTTP/1\.1 407 Who\?"),
    ):
        Upstream(https=proxy).tunnel("example.com", 443)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://"])
def test_a_proxy_of_another_kind_is_an_error(proxy: str) -> None:
    with pytest.raises(OSError, match="is no proxy of http or https"):
        tunnel.connection(proxy)


def test_plain_http_asks_the_users_proxy_for_the_whole_url() -> None:
    heads: list[str] = []
    with a_proxy(b"", heads) as proxy:
        url = urllib.parse.urlsplit("http://example.com/a?b")
        made, asked = Upstream(http=proxy).http_connection(url)
        with made:
            made.sendall(tunnel.head(f"GET {asked.path} HTTP/1.1", asked.headers))
    assert heads[0].startswith("GET http://example.com/a?b HTTP/1.1\r\nProxy-Authorization: Basic ")
