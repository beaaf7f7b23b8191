"""Each invariant of pairs and pauses reports what violates it, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.crash import invariants, pairs
from tests.crash.pairs import Shift
from tests.crash.snapshot import Snapshot
from tools.load import Result

BLUE, GREEN, A, B = "r000001", "r000002", "web-a", "web-b"
HEALTHY = {A: frozenset({"i-1", "i-2"}), B: frozenset({"i-3", "i-4"})}
PAUSE = {"before": "drain", "decision": None}


def ended(**other: Any) -> Snapshot:
    """Return a snapshot in which green serves in B after a flip, with these fields changed."""
    records = {GREEN: {"release": {"ami_id": "ami-2"}, "failed": False, "target_groups": [B]}}
    given: dict[str, Any] = {
        "groups": {GREEN: {"Instances": []}},
        "templates": frozenset({GREEN}),
        "images": frozenset({"ami-2"}),
        "attached": {GREEN: frozenset({B})},
        "healthy": {B: HEALTHY[B], A: frozenset()},
        "registered": {B: HEALTHY[B], A: frozenset()},
        "weights": {A: 0, B: 100},
        "document": {
            "deployment": None,
            "lease": None,
            "epoch": 7,
            "serving": GREEN,
            "releases": records,
        },
    }
    return Snapshot(**{**given, **other})


def document(target: str) -> dict[str, Any]:
    found = ended().document
    releases = {GREEN: {**found["releases"][GREEN], "target_groups": [target]}}
    return {**found, "releases": releases}


def test_a_release_that_serves_alone_in_its_target_group_violates_nothing() -> None:
    assert pairs.ended(ended()) == []
    assert invariants.serves(ended()) == []
    assert pairs.ended(ended(weights={})) == []  # no pair


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ended(weights={A: 5, B: 95}), "the weights are"),
        (ended(weights={A: 100, B: 100}), "the weights are"),
        (ended(document=document(A)), "['web-a'] in the document, not ['web-b']"),
        (ended(attached={GREEN: frozenset({A, B})}), "attached to ['web-a', 'web-b']"),
        (ended(registered={A: frozenset({"i-1"}), B: HEALTHY[B]}), "web-a, which is idle"),
    ],
)
def test_what_a_deployment_leaves_of_a_pair_is_reported(state: Snapshot, words: str) -> None:
    assert words in " ".join(pairs.ended(state))


def test_a_target_group_with_traffic_and_without_members_is_reported() -> None:
    assert invariants.serves(ended(weights={A: 5, B: 95}))


def test_traffic_that_moves_to_members_that_are_not_healthy_is_reported() -> None:
    shift = Shift(at=1.0, weights={A: 95, B: 5})
    found = invariants.never_less({A: HEALTHY[A], B: frozenset({"i-3"})}, [shift], {A: 100, B: 0})
    assert found == ["web-b had ['i-3'] once the weights were {'web-a': 95, 'web-b': 5}"]


def test_members_that_leave_a_target_group_count_only_while_it_has_traffic() -> None:
    leaves = [(A, "i-1", "draining"), (A, "i-2", "draining")]
    shift = Shift(at=1.0, weights={A: 0, B: 100})
    weights = {A: 100, B: 0}
    assert invariants.never_less(HEALTHY, [shift, *leaves], weights) == []
    found = invariants.never_less(HEALTHY, [*leaves, shift], weights)
    assert found[0] == "web-a had ['i-2'] once i-1 was draining"
    assert len(found) == 2


def test_sizes_that_a_way_back_does_not_restore_are_reported() -> None:
    def sized(desired: int) -> Snapshot:
        return ended(groups={GREEN: {"Instances": [], "MinSize": 2, "DesiredCapacity": desired}})

    assert invariants.same_size(sized(2), sized(2)) == []
    assert len(invariants.same_size(sized(2), sized(1))) == 1
    assert invariants.same_size(sized(2), ended(groups={})) == []


def paused(**other: Any) -> Snapshot:
    """Return a snapshot of a promotion that has paused before its drain."""
    found = ended()
    deployment = {"blue": BLUE, "green": GREEN, "pauses": [PAUSE]}
    both = {BLUE: frozenset({A}), GREEN: frozenset({B})}
    state = {**found.document, "deployment": deployment, "serving": BLUE}
    return replace(found, **{"attached": both, "document": state, **other})


def test_a_pause_leaves_both_groups_and_no_lease() -> None:
    assert pairs.paused(paused(), 100) == []
    assert pairs.paused(paused(weights={}), None) == []
    assert pairs.is_paused(paused().document)
    assert not pairs.is_paused(ended().document)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (paused(weights={A: 95, B: 5}), "the weights of a pause"),
        (paused(attached={BLUE: frozenset(), GREEN: frozenset({B})}), "are attached while"),
        (paused(document={**paused().document, "lease": {"epoch": 7}}), "lease"),
        (paused(document=ended().document), "not recorded as paused"),
    ],
)
def test_what_a_pause_must_not_leave_is_reported(state: Snapshot, words: str) -> None:
    assert words in " ".join(pairs.paused(state, 100))


def answer(at: float, instance: str, seconds: float = 0.01) -> Result:
    body = json.dumps({"instance_id": instance}).encode()
    return Result(at=at, seconds=seconds, status=200, body=body)


def answered(*results: Result) -> list[str]:
    """Judge answers around a flip from A to B at 10 s."""
    homes = {"i-1": {A}, "i-3": {B}}
    shifts = [Shift(at=10.0, weights={A: 0, B: 100})]
    return pairs.answered(results, {A: 100, B: 0}, shifts, homes)


def test_after_a_flip_only_requests_in_flight_have_answers_of_blue() -> None:
    assert answered(answer(9.0, "i-1"), answer(10.1, "i-1"), answer(10.1, "i-3")) == []
    assert answered(answer(9.9, "i-3", seconds=0.5)) == []  # its connection waited for the flip
    assert answered(answer(12.0, "i-1")) == [
        "i-1 of ['web-a'] answered 2.00 s after its last traffic"
    ]


@pytest.mark.parametrize(("at", "instance"), [(9.0, "i-3"), (12.0, "i-9")])
def test_an_answer_of_green_before_the_flip_or_of_an_unknown_instance_is_reported(
    at: float, instance: str
) -> None:
    assert answered(answer(at, instance))
