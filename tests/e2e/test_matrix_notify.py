"""Notifications of real deployments: none delays one, and a killed one is told of by the next."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from tests.adapters.notify.receivers import SLACK_PATH, Receiver, receiving, slack
from tests.e2e.matrix import Case
from tests.e2e.project import wait_for
from tests.e2e.site import LONGEST, wait_for_exit

BOTH = ("classic", "application")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(LONGEST),
    pytest.mark.parametrize("kinds", [pytest.param(BOTH, id="both")], scope="session"),
]

TARGETS = """
[[notify]]
kind = "slack"
url_env = "SLACK"

[[notify]]
kind = "webhook"
url_env = "HOOK"
secret_env = "HOOK_SECRET"
"""


@pytest.fixture
def channel(case: Case) -> Iterator[Receiver]:
    """A channel of Slack for the scenario, and a webhook whose server never answers."""
    extra, before = case.site.project.extra, dict(case.site.project.extra)
    with receiving(slack) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        extra |= {"SLACK": server.url + SLACK_PATH, "HOOK": url, "HOOK_SECRET": "c4n4ry-secret"}
        yield server
    extra.clear()
    extra.update(before)


def configure(case: Case, soak: str) -> None:
    case.configure(soak=soak)
    project = case.site.project
    project.write((project.folder / "pipeline.toml").read_text() + TARGETS)


def titles(channel: Receiver) -> list[str]:
    texts = (each.json()["text"].split("*")[1] for each in channel.asked)
    return [text.split(": ", 1)[1].split(" (")[0] for text in texts]


def test_a_server_that_never_answers_neither_fails_nor_holds_up_a_promotion(
    case: Case, channel: Receiver
) -> None:
    configure(case, soak="1s")
    green = case.green
    result = wait_for_exit(case.start())
    assert (result.code, result.document["outcome"]) == (0, "promoted"), result.err
    assert titles(channel) == [f"promote of {green}", f"{green}"]
    assert "not notified: webhook: no answer" in result.err
    assert "c4n4ry-secret" not in result.err


def test_a_deployment_that_was_killed_is_told_of_by_the_command_that_ends_it(
    case: Case, channel: Receiver
) -> None:
    configure(case, soak="10m")
    green, process = case.green, case.start()
    wait_for(process, "soak")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    configure(case, soak="1s")
    result = case.site.run("recover")
    assert result.code == 0, result.err
    told = titles(channel)
    assert told[0] == f"promote of {green}"
    assert len(told) == 2, "it is not told twice that it began"
    assert told[1] in {green, f"promote of {green}"}
