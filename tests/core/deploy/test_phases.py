"""The tables of phases beside what is known of a phase by its name."""

from __future__ import annotations

from itertools import pairwise

from pipeline.core.deploy.phase import Fleet, Manner, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import (
    after_drain,
    clearance,
    decision,
    late_removal,
    removal,
    removing_later,
    rollback,
)
from pipeline.core.state.deployment import Policy
from pipeline.core.state.strategy import Batches, Step
from pipeline.core.validation.phases import PHASES, ROLL_BACK, TRAITS, family, traits_of
from tests.core.deploy.fakes import BLUE, GREEN

EVERY = (*promotion(BLUE, GREEN), *rollback(BLUE, GREEN, Fleet()))
STEPS = (Step(seconds=1, weight=5), Step(seconds=1, weight=25))
BY_WEIGHT = (
    *promotion(BLUE, GREEN, how=Manner(pairs=True, steps=STEPS)),
    *promotion(BLUE, GREEN, how=Manner(batches=Batches(min_healthy=50))),
)


def names(phases: list[Phase]) -> list[str]:
    return [phase.name for phase in phases]


def test_the_names_that_configuration_knows_are_those_of_the_tables() -> None:
    named = {family(phase.name) for phase in (*EVERY, *BY_WEIGHT)}
    assert named == set(PHASES)
    assert tuple(phase.name for phase in EVERY) == tuple(
        each for each in PHASES if each not in {"step", "batch", "shift"}
    )


def test_a_phase_has_the_traits_that_its_name_is_known_for() -> None:
    others = (*removal(BLUE, [GREEN], [GREEN]), *clearance([], [BLUE], [BLUE]))
    tables = (*EVERY, *BY_WEIGHT)
    assert {family(phase.name): phase.traits for phase in tables} == dict(TRAITS)
    assert all(phase.traits == traits_of(phase.name) for phase in tables)
    assert all(phase.traits == TRAITS[phase.name] for phase in others)
    assert traits_of("a phase of another version") == ROLL_BACK


def test_a_first_release_has_no_phase_in_which_blue_leaves() -> None:
    assert names(promotion("", GREEN)) == ["launch", "verify", "attach", "soak", "retire"]


def test_a_way_back_without_one_of_the_groups_leaves_its_phase_out() -> None:
    fleet = Fleet(serving=frozenset({GREEN}))
    assert names(rollback("", GREEN, fleet)) == ["detach", "delete"]
    assert names(rollback(BLUE, "", fleet)) == ["reattach", "delete"]


def test_a_proven_green_goes_on_after_the_drain_and_a_decided_one_with_its_last_phase() -> None:
    phases = promotion(BLUE, GREEN)
    assert names(after_drain(phases)) == ["observe", "retire"]
    assert names(decision(phases)) == ["retire"]


def test_each_phase_only_adds_or_only_removes_serving_groups() -> None:
    forward = promotion(BLUE, GREEN, warm=["r000000"], keep=True)
    lists = [forward, *(rollback(BLUE, GREEN, phase.want) for phase in forward)]
    for phases in lists:
        for one, next_ in pairwise(phases):
            added = next_.want.serving - one.want.serving
            removed = one.want.serving - next_.want.serving
            assert not (added and removed), (one, next_)


def test_soak_comes_before_drain() -> None:
    forward = names(promotion(BLUE, GREEN))
    assert forward.index("soak") < forward.index("drain")


def test_every_gate_describes_itself() -> None:
    texts = [phase.gate.describe(Policy(soak=60)) for phase in EVERY]
    assert texts == [
        "all of r000002 InService",
        "no hooks",
        "r000002 healthy 3 times in a row",
        "r000002 healthy for 1m",
        "r000001 drained",
        "r000002 healthy for 0s",
        "r000001 deleted",
        "r000001 healthy 3 times in a row",
        "r000002 drained",
        "r000002 deleted",
    ]
    served = rollback(BLUE, GREEN, Fleet(serving=frozenset({BLUE})))[0].gate
    assert served.describe(Policy()) == "half of r000001 healthy"


def table(phases: list[Phase]) -> list[str]:
    return [f"{phase.name}: {phase.gate.describe(Policy())}" for phase in phases]


def test_a_rollback_that_removes_later_ends_once_the_other_group_gets_no_new_requests() -> None:
    fleet = Fleet(serving=frozenset({GREEN}), detached=frozenset({BLUE}))
    assert table(removing_later(rollback(BLUE, GREEN, fleet)))[1:] == [
        f"detach: {GREEN} gets no new requests",
        f"delete: removal of {GREEN} pending",
    ]
    workers = rollback(BLUE, GREEN, fleet, Manner(worker=True))
    assert table(removing_later(workers))[1] == f"detach: {GREEN} starts no new work"


def test_without_overlap_the_other_workers_still_stop_first() -> None:
    alone = rollback(BLUE, GREEN, Fleet(), Manner(worker=True, overlap=False))
    assert table(removing_later(alone))[0] == f"detach: {GREEN} stopped"


def test_a_promotion_that_removes_later_still_drains() -> None:
    phases = promotion(BLUE, GREEN)
    assert table(removing_later(phases)) == [
        *table(phases)[:-1],
        f"retire: removal of {BLUE} pending",
    ]


def test_nothing_is_left_for_later_if_there_is_nothing_to_remove() -> None:
    for phases in (
        promotion(BLUE, GREEN, keep=True),
        rollback(BLUE, GREEN, Fleet(), Manner(adopted={GREEN})),
        rollback(BLUE, "", Fleet()),
    ):
        assert removing_later(phases) == phases


def test_a_late_removal_first_waits_until_the_groups_have_drained() -> None:
    assert table(late_removal(BLUE, [GREEN, "r000003"], [GREEN])) == [
        f"drain: {GREEN} drained",
        f"retire: {GREEN} deleted",
    ]
    first, last = late_removal(BLUE, [GREEN, "r000003"], [GREEN])
    assert first.want == Fleet(serving=frozenset({BLUE}), detached=frozenset({GREEN, "r000003"}))
    assert last.want == Fleet(serving=frozenset({BLUE}), detached=frozenset({"r000003"}))
