from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.adapters.notify import http
from pipeline.adapters.notify.http import request, require_private, require_web
from pipeline.adapters.notify.target import SendError
from tests.adapters.certificates import self_signed_certificate
from tests.adapters.notify.receivers import Reply, receiving
from tests.adapters.probe.server import a_server

EVIL = Reply(status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"})


def why(url: str) -> str:
    with pytest.raises(SendError) as caught:
        request(url, body=b"{}")
    return str(caught.value)


def test_a_redirect_is_not_followed_because_the_request_carries_a_secret() -> None:
    with receiving(lambda _: EVIL) as server:
        assert why(server.url) == (
            "answered 307, a redirect to http://127.0.0.1:1/elsewhere, which is not followed"
        )
    assert len(server.asked) == 1


def test_a_refusal_has_the_beginning_of_the_body_and_when_to_try_again() -> None:
    busy = Reply(status=429, body=b"rate\n limited " + b"x" * 900, headers={"Retry-After": "30"})
    with receiving(lambda _: busy) as server:
        text = why(server.url)
    assert text.startswith("answered 429 Too Many Requests (retry after 30): rate limited xxx")
    assert len(text) < 250


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.1)
    with a_server() as server:
        assert why(f"http://127.0.0.1:{server.port}/slow") == "no answer within 0.1s"


@pytest.mark.parametrize(
    ("path", "text"),
    [("/reset", "no answer: Connection reset by peer"), ("/nothing", "no answer: Remote end")],
)
def test_a_broken_answer_has_a_reason(path: str, text: str) -> None:
    with a_server() as server:
        assert why(f"http://127.0.0.1:{server.port}{path}").startswith(text)


def test_a_port_without_a_server_and_an_impossible_url_have_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert why(f"http://127.0.0.1:{port}/") == "no answer: Connection refused"
    assert why("http://127.0.0.1:1/a b\r\nX: 1").startswith("no answer: URL can't contain control")


def test_the_proxy_of_the_environment_is_used_except_for_the_named_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving(lambda _: Reply(body=b"from the proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert request("http://hooks.example.com/x").body == b"from the proxy"
        assert proxy.asked[0].path == "http://hooks.example.com/x"
        with receiving(lambda _: Reply(body=b"direct")) as direct:
            assert request(direct.url).body == b"direct"


def test_the_proxy_of_https_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_server() as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        why("https://hooks.example.com/x")
    assert proxy.requests[0].startswith("CONNECT hooks.example.com:443 ")


def test_a_certificate_is_trusted_if_ssl_cert_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.pem"
    with a_server(self_signed_certificate(file)) as server:
        url = f"https://localhost:{server.port}/"
        assert why(url) == (
            "TLS certificate: self-signed certificate; "
            "SSL_CERT_FILE names the certificates that are trusted"
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert request(url).status == 200


def test_a_secret_goes_over_https_or_loopback_only() -> None:
    assert require_private("http://127.0.0.1:8080/x")
    assert require_private("https://hooks.slack.com/x")
    for check, url in ((require_private, "http://a.example/"), (require_web, "file:///etc/passwd")):
        with pytest.raises(SendError, match=r"^the URL does not begin with https://"):
            check(url)
    with pytest.raises(SendError, match=r"^the URL is impossible"):
        require_web("http://[::1")
