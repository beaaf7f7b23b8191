"""Each invariant reports a snapshot that violates it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.crash import invariants
from tests.crash.command_runner import CompletedCommand
from tests.crash.snapshot import Snapshot

BLUE, GREEN = "r000001", "r000002"
FREE = {"deployment": None, "lease": None, "epoch": 7}


def kept(image: str, *, failed: bool = False) -> dict[str, Any]:
    return {"release": {"ami_id": image}, "failed": failed}


def snapshot(**other: Any) -> Snapshot:
    """Return a snapshot in which blue serves alone, with these fields changed."""
    given: dict[str, Any] = {
        "groups": {BLUE: {"Instances": []}},
        "templates": frozenset({BLUE}),
        "images": frozenset({"ami-1", "ami-2"}),
        "attached": {BLUE: frozenset({"web"})},
        "healthy": {"web": frozenset({"i-1", "i-2"})},
        "document": {**FREE, "serving": BLUE, "releases": {BLUE: kept("ami-1")}},
    }
    return Snapshot(**{**given, **other})


def document(**other: Any) -> dict[str, Any]:
    return {**snapshot().document, **other}


def result(code: int, **output: Any) -> CompletedCommand:
    return CompletedCommand(
        words=("recover",), code=code, out=json.dumps(output), err="", seconds=0.1
    )


def test_a_state_in_which_blue_serves_alone_violates_nothing() -> None:
    assert invariants.when_killed(snapshot(), snapshot()) == []
    assert invariants.finish(("recover",), result(0), snapshot(), snapshot(), in_flight=True) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (snapshot(healthy={"web": frozenset({"i-1"})}), "healthy members"),
        (
            snapshot(healthy={"web": frozenset({"i-1", "i-2"}), "alb": frozenset()}),
            "healthy members",
        ),
        (snapshot(groups={}), "its group does not exist"),
        (snapshot(groups={BLUE: {"Status": "Delete in progress"}}), "its group does not exist"),
        (snapshot(templates=frozenset()), "its launch template does not exist"),
        (snapshot(images=frozenset({"ami-2"})), "its image ami-1 does not exist"),
        (snapshot(document=document(serving=GREEN)), "does not know it"),
        (snapshot(templates=frozenset({BLUE, GREEN})), f"does not know ['{GREEN}']"),
        (snapshot(document=document(epoch=6)), "the epoch fell to 6"),
    ],
)
def test_a_violation_at_the_kill_is_reported(state: Snapshot, words: str) -> None:
    assert words in " ".join(invariants.when_killed(snapshot(), state))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (snapshot(document=document(deployment={"id": "d-1"})), "still has a deployment"),
        (snapshot(document=document(lease={"epoch": 7})), "still has a lease"),
        (
            snapshot(document=document(releases={BLUE: kept("ami-1", failed=True)})),
            "still marked as failed",
        ),
        (snapshot(attached={BLUE: frozenset()}), f"[] are attached, {BLUE} serves"),
        (
            snapshot(groups={BLUE: {"Instances": []}, GREEN: {"Instances": []}}),
            f"groups are ['{BLUE}', '{GREEN}']",
        ),
    ],
)
def test_a_violation_at_the_end_is_reported(state: Snapshot, words: str) -> None:
    found = invariants.finish(("recover",), result(0), snapshot(), state, in_flight=True)
    assert words in " ".join(found)


@pytest.mark.parametrize(
    ("words", "code", "in_flight"),
    [
        (("recover",), 3, True),
        (("recover",), 0, False),
        (("promote", "--image", "ami-2"), 0, True),
        (("promote", "--image", "ami-1"), 3, True),
        (("rollback", "--to", "ami-2"), 0, True),
        (("rollback",), 5, True),
        (("rebuild",), 1, True),
    ],
)
def test_an_untrue_exit_code_is_reported(
    words: tuple[str, ...], code: int, in_flight: bool
) -> None:
    assert invariants.matches_request(words, result(code), snapshot(), in_flight=in_flight)


def test_a_killed_runs_lease_may_stay_after_a_command_that_had_nothing_to_do() -> None:
    state = snapshot(document=document(lease={"epoch": 7}))
    idle = result(0, outcome="unchanged")
    promote = ("promote", "--image", "ami-1")
    assert invariants.finish(promote, idle, snapshot(), state, in_flight=False) == []
    assert invariants.finish(promote, result(0), snapshot(), state, in_flight=False) != []


@pytest.mark.parametrize("code", [1, 2, -11, 130])
def test_an_exit_code_that_is_an_internal_error_is_reported(code: int) -> None:
    assert invariants.survived(("promote",), result(code), snapshot(), snapshot())


def test_an_untrue_rolled_back_result_is_reported() -> None:
    state = snapshot(document=document(serving=GREEN, releases={GREEN: kept("ami-2")}))
    assert invariants.survived(("promote",), result(4), snapshot(), state)


HEALTHY = {"web": frozenset({"i-1", "i-2"}), "alb": frozenset({"i-1", "i-2"})}


def test_a_moment_with_too_few_healthy_members_is_reported() -> None:
    summary = [("web", "i-1", "draining"), ("web", "i-3", "healthy"), ("alb", "i-3", "healthy")]
    assert invariants.never_less(HEALTHY, summary) == ["web had ['i-2'] once i-1 was draining"]


def test_members_that_join_before_others_leave_are_no_violation() -> None:
    came = [("web", "i-3", "initial"), ("web", "i-3", "healthy"), ("web", "i-3", "healthy")]
    left = [("web", "i-1", "draining"), ("web", "i-1", "gone"), ("another", "i-2", "gone")]
    assert invariants.never_less(HEALTHY, [*came, *left]) == []


def test_two_processes_that_write_under_one_epoch_are_reported() -> None:
    one = {"epoch": 7, "owner": {"host": "a"}, "process": "1"}
    assert invariants.one_writer_each([one, one, {**one, "epoch": 8, "process": "2"}]) == []
    found = invariants.one_writer_each([one, {**one, "process": "2"}])
    assert found
    assert "epoch 7" in found[0]
