"""Each invariant is violated by a world in which it does not hold, and says how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.crash import invariants
from tests.crash.command_runner import Typed
from tests.crash.seen import Seen

BLUE, GREEN = "r000001", "r000002"
FREE = {"deployment": None, "lease": None, "epoch": 7}


def kept(image: str, *, failed: bool = False) -> dict[str, Any]:
    return {"release": {"ami_id": image}, "failed": failed}


def seen(**other: Any) -> Seen:
    """A world in which blue serves alone, but for what is other."""
    given: dict[str, Any] = {
        "groups": {BLUE: {"Instances": []}},
        "templates": frozenset({BLUE}),
        "images": frozenset({"ami-1", "ami-2"}),
        "attached": {BLUE: frozenset({"web"})},
        "healthy": {"web": frozenset({"i-1", "i-2"})},
        "document": {**FREE, "serving": BLUE, "releases": {BLUE: kept("ami-1")}},
    }
    return Seen(**{**given, **other})


def document(**other: Any) -> dict[str, Any]:
    return {**seen().document, **other}


def typed(code: int, **said: Any) -> Typed:
    return Typed(words=("recover",), code=code, out=json.dumps(said), err="", seconds=0.1)


def test_a_world_in_which_blue_serves_alone_violates_nothing() -> None:
    assert invariants.frozen(seen(), seen()) == []
    assert invariants.ended(("recover",), typed(0), seen(), seen(), in_flight=True) == []


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (seen(healthy={"web": frozenset({"i-1"})}), "healthy members"),
        (seen(healthy={"web": frozenset({"i-1", "i-2"}), "alb": frozenset()}), "healthy members"),
        (seen(groups={}), "its group is gone"),
        (seen(groups={BLUE: {"Status": "Delete in progress"}}), "its group is gone"),
        (seen(templates=frozenset()), "its launch template is gone"),
        (seen(images=frozenset({"ami-2"})), "its image ami-1 is gone"),
        (seen(document=document(serving=GREEN)), "does not know it"),
        (seen(templates=frozenset({BLUE, GREEN})), f"knows nothing of ['{GREEN}']"),
        (seen(document=document(epoch=6)), "the epoch fell to 6"),
    ],
)
def test_what_must_hold_when_a_run_dies_is_told_where_it_does_not(world: Seen, words: str) -> None:
    assert words in " ".join(invariants.frozen(seen(), world))


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (seen(document=document(deployment={"id": "d-1"})), "still has a deployment"),
        (seen(document=document(lease={"epoch": 7})), "still has a lease"),
        (seen(document=document(releases={BLUE: kept("ami-1", failed=True)})), "left as failed"),
        (seen(attached={BLUE: frozenset()}), f"[] are attached, {BLUE} serves"),
        (
            seen(groups={BLUE: {"Instances": []}, GREEN: {"Instances": []}}),
            f"groups are ['{BLUE}', '{GREEN}']",
        ),
    ],
)
def test_what_must_hold_at_the_end_is_told_where_it_does_not(world: Seen, words: str) -> None:
    found = invariants.ended(("recover",), typed(0), seen(), world, in_flight=True)
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
def test_an_exit_code_that_is_not_true_of_the_world_is_told(
    words: tuple[str, ...], code: int, in_flight: bool
) -> None:
    assert invariants.as_asked(words, typed(code), seen(), in_flight=in_flight)


def test_a_dead_runs_lease_may_stay_where_a_command_had_nothing_to_do() -> None:
    world = seen(document=document(lease={"epoch": 7}))
    idle = typed(0, outcome="unchanged")
    promote = ("promote", "--image", "ami-1")
    assert invariants.ended(promote, idle, seen(), world, in_flight=False) == []
    assert invariants.ended(promote, typed(0), seen(), world, in_flight=False) != []


@pytest.mark.parametrize("code", [1, 2, -11, 130])
def test_a_fault_that_ends_a_run_as_a_bug_is_told(code: int) -> None:
    assert invariants.survived(("promote",), typed(code), seen(), seen())


def test_a_run_that_says_it_put_back_and_did_not_is_told() -> None:
    world = seen(document=document(serving=GREEN, releases={GREEN: kept("ami-2")}))
    assert invariants.survived(("promote",), typed(4), seen(), world)


HEALTHY = {"web": frozenset({"i-1", "i-2"}), "alb": frozenset({"i-1", "i-2"})}


def test_an_instant_with_too_few_healthy_members_is_told_whatever_came_of_it() -> None:
    told = [("web", "i-1", "draining"), ("web", "i-3", "healthy"), ("alb", "i-3", "healthy")]
    assert invariants.never_less(HEALTHY, told) == ["web had ['i-2'] once i-1 was draining"]


def test_members_that_are_there_before_others_leave_are_no_instant_with_too_few() -> None:
    came = [("web", "i-3", "initial"), ("web", "i-3", "healthy"), ("web", "i-3", "healthy")]
    left = [("web", "i-1", "draining"), ("web", "i-1", "gone"), ("another", "i-2", "gone")]
    assert invariants.never_less(HEALTHY, [*came, *left]) == []


def test_an_epoch_that_two_processes_wrote_under_is_told() -> None:
    one = {"epoch": 7, "owner": {"host": "a"}, "process": "1"}
    assert invariants.one_writer_each([one, one, {**one, "epoch": 8, "process": "2"}]) == []
    found = invariants.one_writer_each([one, {**one, "process": "2"}])
    assert found
    assert "epoch 7" in found[0]
