"""`dashboard` serves until Ctrl-C, and says what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.adapters.web.server import Server
from pipeline.cli.main import run

pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize(
    ("options", "printed"),
    [([], "http://127.0.0.1:1/\n"), (["--output", "json"], '{"url": "http://127.0.0.1:1/"}\n')],
)
def test_the_url_is_printed_and_ctrl_c_is_the_end(
    options: list[str],
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def serve(server: Any, ready: Callable[[str], None]) -> None:
        assert (server.port, server.site.answer("/nope").status) == (0, 404)
        ready("http://127.0.0.1:1/")
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "run", serve)
    assert run([*options, "dashboard", "--port", "0"]) == 0
    assert capsys.readouterr().out == printed


def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "pipeline.adapters.web.server", raising=False)
    assert run(["dashboard"]) == 2
    assert capsys.readouterr().err == (
        "error: dashboard:\n  aiohttp is not installed\n"
        "next: pip install 'ami-pipeline[dashboard]'\n"
    )
