"""The preamble: five commands, one order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core.errors import ConfigurationError, LeaseHeldError, RefusedError
from pipeline.core.state.environment import Environment
from tests.app.session_fakes import COMMANDS, FakeEnvironment

ORDER = ["configuration", "free lease", "document", "account", "lease"]


class StopError(Exception):
    """The end of a test: the step after it is of no interest."""


def stop(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("command", COMMANDS)
def test_every_changing_command_begins_in_the_same_order(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    commands: list[str] = []

    def take(name: str) -> None:
        environment.calls.append("lease")
        commands.append(name)
        raise StopError

    monkeypatch.setattr(environment, "take", take)
    with pytest.raises(StopError):
        COMMANDS[command](environment.app)
    assert list(dict.fromkeys(environment.calls)) == ORDER
    assert commands == [command]


ERRORS = {
    "require_known": (ConfigurationError("a", "b", "c"), 0),
    "require_free": (LeaseHeldError("a", "b", "c"), 1),
    "identify": (RefusedError("a", "b", "c"), 3),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("step", ERRORS)
def test_no_later_step_follows_a_step_that_fails(
    step: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    error, before = ERRORS[step]
    monkeypatch.setattr(environment, step, stop(error))
    with pytest.raises(type(error)):
        COMMANDS[command](environment.app)
    assert environment.calls == ORDER[:before]
    assert environment.fake.calls == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_before_the_lease_is_raised_at_once(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.app.interrupts.pending = 2
    with pytest.raises(KeyboardInterrupt):
        COMMANDS[command](environment.app)
    assert environment.calls == ["configuration"]


def test_the_requirement_of_a_command_is_checked_again_after_finishing_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.stop_in("soak")
    checked: list[bool] = []
    options = SessionOptions(command="promote", finish_first=True)
    EnvironmentSession.begin(
        environment.app,
        "staging",
        options,
        lambda _, document: checked.append(document.deployment is None),
    )
    assert checked == [True]
    assert environment.fake.document.deployment is None


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_requirement_sees_the_document_that_another_run_writes_during_the_preamble(
    interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    document = environment.fake.document
    after = replace(document, deployment=None, serving="r000002")
    environment.fake.document = document if interrupted else replace(document, deployment=None)
    checked: list[Environment] = []
    monkeypatch.setattr(environment, "identify", lambda: environment.fake.update(lambda _: after))
    session = EnvironmentSession.begin(
        environment.app,
        "staging",
        SessionOptions(command="rebuild", finish_first=True),
        lambda _, document: checked.append(document),
    )
    assert checked[-1] == after
    assert session.document == after


def test_the_requirement_of_a_command_is_checked_before_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.fake.document = replace(environment.fake.document, deployment=None)
    with pytest.raises(StopError):
        EnvironmentSession.begin(
            environment.app, "staging", SessionOptions(command="promote"), stop(StopError())
        )
    assert "account" not in environment.calls


@pytest.mark.parametrize(("speed", "count"), [(1.0, 0), (20.0, 1)])
def test_durations_of_a_local_cloud_that_runs_faster_are_explained(
    speed: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.fake.speed = speed
    monkeypatch.setattr(environment, "take", stop(StopError()))
    with pytest.raises(StopError):
        COMMANDS["recover"](environment.app)
    text = (
        "the local cloud runs at speed 20: limits and waits count its seconds, "
        "durations count real ones"
    )
    assert environment.messages == [text] * count
