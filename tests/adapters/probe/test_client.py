from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from pipeline.adapters.probe.client import INCOMPLETE, Client, NoAnswerError
from pipeline.core.probe.expectation import Answer
from pipeline.core.probe.settings import Probe
from tests.adapters.certificates import self_signed_certificate
from tests.adapters.probe.server import Server, a_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server() as running:
        yield running


def ask(url: str, probe: Probe | None = None) -> Answer:
    return Client(probe or Probe(url=url, timeout=0.2), url).ask()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, b"ok"),
        ("", 200, b"ok"),
        ("/chunked", 200, b"ready"),
        ("/until-close", 200, b"ready"),
        ("/500", 500, b"boom"),
        ("/redirect", 302, b""),
    ],
)
def test_an_answer_is_read_whatever_its_form_and_no_redirect_is_followed(
    server: Server, path: str, status: int, body: bytes
) -> None:
    before = len(server.requests)
    answer = ask(f"http://127.0.0.1:{server.port}{path}")
    assert (answer, len(server.requests)) == (Answer(status=status, body=body), before + 1)


def test_a_huge_body_is_read_in_part(server: Server) -> None:
    assert len(ask(f"http://127.0.0.1:{server.port}/huge").body) == 256 * 1024


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/slow", "no answer within 0.2s"),
        ("/reset", "Connection reset by peer"),
        ("/short", INCOMPLETE),
        ("/short-chunk", INCOMPLETE),
        ("/garbage", "the answer is not HTTP: 'SSH-2.0-OpenSSH_9.2'"),
        ("/nothing", "the connection was closed without an answer"),
    ],
)
def test_no_answer_has_a_reason(server: Server, path: str, why: str) -> None:
    with pytest.raises(NoAnswerError) as caught:
        ask(f"http://127.0.0.1:{server.port}{path}")
    assert str(caught.value) == why


def test_a_port_without_a_server_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NoAnswerError, match=r"^Connection refused$"):
        ask(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_resolve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NoAnswerError, match=r"^the name does not resolve: Name or service"):
        ask("http://gone.invalid/")


def test_a_name_is_resolved_once_for_many_requests_and_its_addresses_are_used_in_turn(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        calls.append(host)
        family, kind = socket.AF_INET, socket.SOCK_STREAM
        refusing = (family, kind, 6, "", ("127.0.0.1", 1))
        return [
            (family, kind, 6, "", ("127.0.0.1", port)),
            refusing,
            (socket.AF_INET6, kind, 6, "", ("::1", 1, 0, 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://lb.example.com:{server.port}/"
    client = Client(Probe(url=url), url)
    answered: list[int | str] = []
    for _ in range(4):
        try:
            answered.append(client.ask().status)
        except NoAnswerError as error:
            answered.append(str(error))
    assert answered == [200, "Connection refused"] * 2
    assert calls == ["lb.example.com"]


def test_headers_and_the_method_are_sent_on_a_connection_that_closes(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/a?b=1"
    headers = (("host", "www.example.com"), ("X-Probe", "1"))
    assert ask(url, Probe(url=url, method="HEAD", headers=headers)).body == b""
    assert server.requests[-1] == (
        "HEAD /a?b=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: ami-pipeline\r\n"
        "Accept: */*\r\nX-Probe: 1\r\nConnection: close\r\n\r\n"
    )


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return self_signed_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def test_a_self_signed_certificate_fails_unless_it_is_not_verified(
    self_signed: ssl.SSLContext,
) -> None:
    with a_server(self_signed) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with pytest.raises(NoAnswerError, match=r"^TLS certificate: self.signed certificate$"):
            ask(url)
        client = Client(Probe(url=url, verify_tls=False), url)
        assert [client.ask().status for _ in range(2)] == [200, 200]


def test_an_impossible_name_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match=r"label"):
        ask(f"http://{'a' * 70}.example.com/")
