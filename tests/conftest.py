"""Isolate every test from the user's home, folder and settings, and end shared clouds early."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.ci import VARIABLES
from tests import scheduling
from tests.e2e import combinations
from tests.packer_plugins import PLUGINS

# Rewrite the assertions of these helpers, too; this must precede their import.
pytest.register_assert_rewrite(
    "tests.e2e.project", "tests.e2e.site", "tests.e2e.testbed", "tests.e2e.matrix"
)

pytest_plugins = ("tests.aws.fixtures",)

for _name in VARIABLES:
    os.environ.pop(_name, None)  # The tests run in CI, too, and pretend that no person waits there.

_SETTINGS = ("AWS_", "PACKER_", "PKR_VAR_", "TF_", "GITHUB_", "CI_", "GIT_")
_KEPT = ("TF_CLI_CONFIG_FILE",)
"""Points Terraform to the AWS provider on this machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--terraform",
        choices=("stand-in", "real"),
        default="stand-in",
        help="what the matrix of deployments runs on (tests/e2e/test_matrix.py)",
    )
    parser.addoption(
        combinations.EVERY,
        action="store_true",
        help="run every end-to-end scenario behind each kind of load balancer alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell ignores SIGINT in what it runs in the background, and so would all programs of tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(scheduling.SharedClouds())
    config.pluginmanager.register(scheduling.FirstCollector())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=scheduling.turn_of)
    if not config.getoption(combinations.EVERY):
        left = set(combinations.surplus(items))
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the summary line of the crash suite (tests/crash/report.py)."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in getattr(report, "user_properties", ()):
            if name == "last line":
                terminalreporter.write_line(str(text))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """Fail a test whose threads run on: what they do then happens in another test."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + 5
    while (left := left_since(before)) and time.monotonic() < until:
        threading.Event().wait(0.01)  # the tests of the core refuse a sleep
    assert not left


def left_since(before: set[threading.Thread]) -> list[str]:
    """Return the threads that are new, but for those that answer a client of a shared server."""
    new = (each.name for each in threading.enumerate() if each not in before)
    return [name for name in new if not name.endswith("(process_request_thread)")]


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(_SETTINGS) and name not in _KEPT:
            monkeypatch.delenv(name)
    # Without Terraform on PATH, a test is on a machine without any.
    monkeypatch.setattr("pipeline.adapters.terraform.shared_library.installed", lambda: "")
    for name, value in PLUGINS.items():
        monkeypatch.setenv(name, value)
    # The session of AWS has the credentials of the environment in which it is made.
    monkeypatch.setattr("pipeline.adapters.aws.client._SESSIONS", [])
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """Restore signal handlers: the program replaces them.

    Without Python's own for SIGPIPE, a connection that is closed would end a worker without a word.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.SharedScheduling:
    return scheduling.SharedScheduling(config, log)
