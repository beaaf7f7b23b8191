"""Finishing an interrupted deployment, as `recover` and every changing command do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.app.environment.interrupted import (
    Interrupted,
    finish,
    finish_interrupted,
    handling,
    require_allowed,
)
from pipeline.core.errors import NeedsAttentionError, RefusedError
from pipeline.core.state.deployment import Kind, Result
from tests.app.session_fakes import FakeEnvironment, KilledError

BAD = "ami-00000001"
REFUSALS = [
    (
        Interrupted.REFUSE_TO_PLAN,
        "cannot plan: a previous promote stopped before its first phase",
    ),
    (
        Interrupted.REFUSE,
        "stopped before its first phase, and --no-recover forbids finishing it",
    ),
]


@pytest.mark.parametrize(("action", "what"), REFUSALS)
def test_an_interrupted_deployment_is_not_touched_if_the_options_forbid_it(
    action: Interrupted, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeEnvironment(monkeypatch)
    before = session.fake.document
    with pytest.raises(RefusedError) as raised:
        require_allowed(before, action)
    error = raised.value
    assert (error.where, error.what) == ("promote d", what)
    assert error.remedy == "ami-pipeline recover -e staging"
    with pytest.raises(RefusedError, match="stopped before its first phase"):
        finish_interrupted(session.leased, action)
    assert session.fake.document is before
    assert session.fake.calls == []


def test_the_plan_error_names_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeEnvironment(monkeypatch)
    session.stop_in("drain")
    with pytest.raises(RefusedError) as raised:
        require_allowed(session.fake.document, Interrupted.REFUSE_TO_PLAN)
    assert raised.value.what == "cannot plan: a previous promote stopped in phase drain"


@pytest.mark.parametrize(
    ("plan_only", "recovers", "action"),
    [
        (False, True, Interrupted.UNDO),
        (True, True, Interrupted.REFUSE_TO_PLAN),
        (False, False, Interrupted.REFUSE),
        (True, False, Interrupted.REFUSE),
    ],
)
def test_the_options_choose_the_action(
    plan_only: bool, recovers: bool, action: Interrupted
) -> None:
    chosen = handling(plan_only=plan_only, recovers=recovers, otherwise=Interrupted.UNDO)
    assert chosen is action


@pytest.mark.parametrize(
    ("phase", "warm", "decided"),
    [("reattach", True, False), ("detach", True, False), ("retire", False, True)],
)
def test_a_rollback_that_was_interrupted_and_recovered_quarantines_the_replaced_image(
    phase: str, warm: bool, decided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeEnvironment(monkeypatch, Kind.ROLLBACK)
    session.stop_in(phase, warm=warm, decided=decided)
    done = finish(session.leased)
    assert done.outcome
    assert done.outcome.result is Result.PROMOTED
    assert session.quarantined == [BAD]
    assert [(each.ami_id, each.quarantined) for each in session.fake.document.retired] == [
        (BAD, True)
    ]


def test_a_rollback_killed_at_its_end_leaves_the_quarantine_to_the_next_recover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeEnvironment(monkeypatch, Kind.ROLLBACK)
    session.stop_in("reattach", warm=True)
    session.is_killed = True
    with pytest.raises(KilledError):
        finish(session.leased)
    assert session.fake.document.deployment is not None
    session.is_killed = False
    finish(session.leased)
    assert session.quarantined == [BAD]
    assert session.fake.document.deployment is None


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_only_a_rollback_quarantines(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeEnvironment(monkeypatch, kind)
    session.stop_in("retire", decided=True)
    finish(session.leased)
    assert session.quarantined == []


def test_every_command_that_finishes_it_first_prints_the_remedy_of_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeEnvironment(monkeypatch)
    session.stop_in("launch")

    def refuse(_: int, name: str) -> None:
        if name == "plan":
            raise RefusedError("importing web-staging-r000002", "not tagged", "tag the group")

    session.fake.fail = refuse
    for action in (Interrupted.FINISH, Interrupted.UNDO):
        with pytest.raises(NeedsAttentionError) as told:
            finish_interrupted(session.leased, action)
        assert "importing web-staging-r000002: not tagged" in told.value.what
        assert told.value.remedy == "tag the group; then: ami-pipeline recover -e staging"


@pytest.mark.parametrize(
    ("own", "undo", "recorded"),
    [
        ("", "", ""),
        ("a sale", "", "a sale"),
        ("", "errors", "undone: errors"),
        ("a sale", "errors", "a sale; undone: errors"),
    ],
)
def test_why_a_deployment_was_undone_is_recorded_beside_its_own_reason(
    own: str, undo: str, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeEnvironment(monkeypatch)
    session.stop_in("launch")
    dead = session.fake.document.deployment
    assert dead
    session.fake.document = replace(session.fake.document, deployment=replace(dead, why=own))
    done = finish_interrupted(session.leased, Interrupted.UNDO, undo)
    assert done
    assert done.why == recorded


def test_a_rollback_that_was_undone_quarantines_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeEnvironment(monkeypatch, Kind.ROLLBACK)
    session.stop_in("launch")
    done = finish(session.leased)
    assert done.outcome
    assert done.outcome.result is Result.ROLLED_BACK
    assert session.quarantined == []


@pytest.mark.parametrize(
    ("phase", "decided", "direction"),
    [
        ("", False, "stopped before its first phase: rolling back to r000001"),
        ("soak", False, "stopped in phase soak: rolling back to r000001"),
        ("retire", True, "stopped in phase retire: continuing with r000002"),
    ],
)
def test_the_direction_is_reported_before_anything_is_changed(
    phase: str, decided: bool, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FakeEnvironment(monkeypatch)
    session.stop_in(phase, decided=decided)
    finish(session.leased)
    assert session.messages[0] == f"promote d {direction}"


def test_if_both_groups_are_deleted_the_message_says_that_nothing_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeEnvironment(monkeypatch)
    session.stop_in("soak")
    session.fake.groups.clear()
    done = finish(session.leased)
    [message] = session.messages
    assert message.startswith(
        "promote d stopped in phase soak: the group of r000001 does not exist"
    )
    assert message.endswith(": deleting the remaining groups")
    assert (done.blue, session.fake.document.serving) == ("", "")


def test_a_deployment_is_finished_with_the_inputs_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The configuration may have been edited since, or be another commit's."""
    session = FakeEnvironment(monkeypatch)
    session.stop_in("retire", decided=True)
    document = session.fake.document
    green = replace(document.releases[session.dead.green], inputs={"instance_type": "t3.small"})
    session.fake.document = document.with_release(green)
    finish(session.leased)
    assert session.made == [{"instance_type": "t3.small"}]


def test_a_rollback_to_another_release_of_the_same_image_quarantines_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeEnvironment(monkeypatch, Kind.ROLLBACK)
    session.stop_in("reattach", warm=True)
    dead = session.fake.document.deployment
    assert dead
    session.fake.document = replace(session.fake.document, deployment=replace(dead, image=BAD))
    finish(session.leased)
    assert session.quarantined == []
