"""What each command does in a freeze, and how one is made and lifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from pipeline.adapters.store.records.freezes import Freezes
from pipeline.app.environment.freezes import FreezeGate, gate_of
from pipeline.app.operations import freeze as operations
from pipeline.app.resume import resume
from pipeline.core.deploy.plan import PromoteRequest
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.freezing.windows import Window
from pipeline.core.state.deployment import Kind
from pipeline.core.validation.freeze_values import check_until, check_wall_time
from tests.app.session_fakes import COMMANDS, FakeEnvironment

WEEKEND = Window(
    start=check_wall_time("Fri 10:00"), end=check_wall_time("Mon 08:00"), zone=UTC, why="weekend"
)
REFUSED: dict[str, Callable[[Any], object]] = {
    **COMMANDS,
    "resume": lambda app: resume(app, "staging"),
}


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    """Staging in a window, with an interrupted promotion."""
    environment = FakeEnvironment(monkeypatch)
    environment.windows = (WEEKEND,)
    return environment


@pytest.mark.parametrize("command", REFUSED)
def test_a_freeze_refuses_what_moves_traffic_forward_and_nothing_else(
    command: str, frozen: FakeEnvironment
) -> None:
    try:
        REFUSED[command](frozen.app)
        said = ""
    except RefusedError as error:
        said = f"{error.where}: {error.what}"
    is_refused = command in {"promote", "rebuild", "resume"}
    assert said.startswith("environment staging: is frozen until ") == is_refused, said
    assert (frozen.calls == ["configuration"]) == is_refused  # nothing was read, let alone changed


def test_the_refusal_says_until_when_by_whom_and_why_and_what_works(
    frozen: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(frozen, monkeypatch, "4h")
    with pytest.raises(RefusedError) as found:
        COMMANDS["promote"](frozen.app)
    assert "is frozen until " in found.value.what
    lines = found.value.what.splitlines()
    assert lines[0].endswith(" by ann (GitHub Actions): sale")
    assert lines[1].endswith(" by pipeline.toml (Fri 10:00 to Mon 08:00 UTC): weekend")
    assert lines[2:] == ["rollback, recover and abort still work"]
    assert found.value.remedy == (
        "to lift it: ami-pipeline unfreeze -e staging; to continue anyway: "
        "ami-pipeline promote -e staging --override-freeze --why 'the reason'"
    )


def test_the_command_to_paste_is_the_refused_one(frozen: FakeEnvironment) -> None:
    again = {
        "rebuild": "ami-pipeline rebuild -e staging --override-freeze --why 'the reason'",
        "resume": "ami-pipeline resume -e staging --override-freeze --reason 'the reason'",
    }
    for command, expected in again.items():
        with pytest.raises(RefusedError) as found:
            REFUSED[command](frozen.app)
        assert found.value.remedy == f"to continue anyway: {expected}"


def gate(kind: Kind = Kind.PROMOTE, **given: Any) -> FreezeGate | None:
    return gate_of(PromoteRequest(environment="staging", **given), kind)


def test_a_plan_shows_the_freeze_and_an_override_is_announced_and_recorded(
    frozen: FakeEnvironment,
) -> None:
    reader: Any = frozen
    plan, overriding = gate(plan_only=True), gate(override_freeze=True)
    assert plan
    assert overriding
    assert plan.require(reader).active[0].why == "weekend"
    shown = "until 2026-11-30T08:00:00+00:00 by pipeline.toml (Fri 10:00 to Mon 08:00 UTC): weekend"
    assert overriding.override(reader) == shown
    assert frozen.messages == [f"staging is frozen {shown}; --override-freeze was given"]
    frozen.store.wait(days=3)
    assert overriding.override(reader) == ""
    assert len(frozen.messages) == 1


def test_a_freeze_that_a_person_makes_before_the_confirmation_counts(
    frozen: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader: Any = frozen
    frozen.windows = ()
    promoting = gate()
    assert promoting
    assert not promoting.require(reader).active
    freeze(frozen, monkeypatch, "4h")
    with pytest.raises(RefusedError, match="by ann"):
        promoting.override(reader)


@pytest.mark.parametrize("kind", [Kind.ROLLBACK, Kind.DRILL])
def test_a_way_back_ignores_a_freeze(kind: Kind) -> None:
    assert gate(kind) is None


# --- by hand --------------------------------------------------------------------------------------


def freeze(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch, until: str, why: str = "sale"
) -> operations.FreezeChange:
    monkeypatch.setattr(operations, "EnvironmentReader", lambda **_: environment)
    environment.app.settings.environment = lambda _: None
    environment.app.environ = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ann"}
    return operations.freeze(environment.app, "staging", check_until(until), why)


def test_a_freeze_by_hand_lasts_by_the_clock_of_the_store_and_hides_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = FakeEnvironment(monkeypatch)
    done = freeze(environment, monkeypatch, "4h", "hunter22 leaked")
    (made,) = done.state.active
    assert (made.since, made.until) == ("2026-11-27T12:00:00+00:00", "2026-11-27T16:00:00+00:00")
    assert (made.by, made.why) == ("ann (GitHub Actions)", "*** leaked")
    assert done.in_flight == environment.dead  # which continues: no lease was needed
    assert "lease" not in environment.calls
    environment.store.wait(hours=4)
    store: Any = environment.store
    assert Freezes(store, "staging").read().freezes == ()


@pytest.mark.parametrize(
    ("until", "text"),
    [
        ("2026-11-27T12:00Z", "is over: the store's clock shows"),
        ("367d", "is more than 366 days away"),
    ],
)
def test_an_end_that_is_a_mistake_is_refused(
    until: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=text) as found:
        freeze(FakeEnvironment(monkeypatch), monkeypatch, until)
    assert found.value.remedy.endswith("ami-pipeline freeze -e staging --until 4h --why sale")


def test_only_freezes_by_hand_are_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = FakeEnvironment(monkeypatch)
    made = freeze(environment, monkeypatch, "4h").state.active
    environment.windows = (WEEKEND,)
    done = operations.unfreeze(environment.app, "staging")
    assert (done.lifted, [each.why for each in done.state.active]) == (made, ["weekend"])
    with pytest.raises(RefusedError, match="no person froze it; it is frozen until") as found:
        operations.unfreeze(environment.app, "staging")
    assert found.value.remedy.startswith("change [[freeze]] in pipeline.toml; or promote")
    environment.windows = ()
    assert operations.unfreeze(environment.app, "staging") == replace(
        done, lifted=(), state=done.state.__class__()
    )
