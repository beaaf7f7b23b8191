"""What each gate says about itself, and that nothing but the tables knows a gate's type."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import pipeline
from pipeline.core.deploy import gates
from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.drained import Drained
from pipeline.core.deploy.gates.half_healthy import HalfHealthy
from pipeline.core.deploy.gates.stays_healthy import StaysHealthy
from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.phase import Fleet
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.freshness import Writes
from pipeline.core.health.observation import Observation, ObservedGroup, Target
from pipeline.core.health.verdict import Healthy, Progressing
from pipeline.core.state.deployment import Delays, Limits, Policy
from tests.core.deploy.fakes import BLUE, DOCUMENT, GREEN, PLACE, begin, cloud, kept
from tests.core.health.observations import a_member

PACKAGE = Path(pipeline.__file__).parent
SHARED = {"base", "wait", "watcher"}
ONE = "web-staging-r000001"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_only_the_tables_of_phases_import_a_gate() -> None:
    """Everything else asks a gate and needs no change when a gate is added."""
    folder = Path(gates.__file__).parent
    named = {path.stem for path in folder.glob("*.py")} - SHARED - {"__init__"}
    modules = {f"{gates.__name__}.{name}" for name in named}
    importers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "gates" in path.read_text() and modules & set(imported(path))
    }
    assert modules
    assert importers == {"core/deploy/phases.py", "core/deploy/ways_back.py"}


def test_a_gate_that_does_not_observe_needs_nothing_read() -> None:
    phases = (*promotion(BLUE, GREEN), *rollback(BLUE, GREEN, Fleet()))
    silent = [phase.gate for phase in phases if not phase.gate.observes]
    assert [(type(each).__name__, each.reads_targets) for each in silent] == [("Verified", False)]


def watching(gate: Gate, policy: Policy) -> GateWatcher:
    return GateWatcher.begin(
        gate,
        document=DOCUMENT,
        place=PLACE,
        policy=policy,
        limit=60,
        known={},
        writes=Writes(),
    )


def observed(at: float = 0.0) -> Observation:
    """Return an observation in which blue serves."""
    fake = cloud()
    observation = fake.observe([ONE], PLACE.balancers, activities=[])
    return Observation(at=at, groups=observation.groups, targets=observation.targets)


def test_a_pause_passes_only_after_its_length() -> None:
    watcher = watching(StaysHealthy(BLUE, "soak"), Policy(soak=10))
    watcher.add(observed())
    assert watcher.judge() == Progressing(reason="healthy for 0s of 10s")
    watcher.add(observed(10))
    assert watcher.judge() == Healthy()


def test_a_soak_is_as_long_as_the_slow_start_and_says_so() -> None:
    slow = Policy(soak=30, deadline=60, delays=Delays(slow_start=90))
    soak = StaysHealthy(BLUE, "soak")
    assert soak.describe(slow) == "r000001 healthy for 1m 30s (slow start)"
    assert slow.limit("soak") == 120
    unaware = replace(slow, waits_for_slow_start=False)
    assert soak.describe(unaware) == "r000001 healthy for 30s"
    assert soak.describe(replace(slow, soak=120)) == "r000001 healthy for 2m"
    assert StaysHealthy(BLUE, "observe").describe(slow) == "r000001 healthy for 0s"


def test_a_drain_says_how_long_it_takes_and_has_time_for_it() -> None:
    known = Policy(deadlines={"drain": 60}, delays=Delays(drain=3600))
    assert Drained(BLUE).describe(known) == "r000001 drained in 1h"
    assert Drained(BLUE).describe(Policy()) == "r000001 drained"
    assert {known.limit(phase) for phase in ("drain", "detach")} == {3720}
    assert known.limit("attach") == 900
    assert replace(known, delays=Delays(drain=5)).limit("detach") == 900


@pytest.mark.parametrize(("soak", "accepts"), [(0.0, True), (1.0, False)])
def test_only_a_pause_of_no_length_accepts_the_observation_before_it(
    soak: float, accepts: bool
) -> None:
    watcher = watching(StaysHealthy(BLUE, "soak"), Policy(soak=soak))
    assert watcher.accepts_earlier is accepts
    watcher.add(observed())
    assert not watcher.accepts_earlier


def test_equal_parts_of_observations_are_kept_once() -> None:
    watcher = watching(StaysHealthy(BLUE, "soak"), Policy())
    watcher.add(observed())
    watcher.add(observed(1))
    first, second = watcher.wait.observations
    assert (first.at, second.at) == (0, 1)
    assert first.groups is second.groups
    assert first.targets is second.targets


WEB = PLACE.balancers[1]
TARGETS = {"i-1": "healthy", "i-2": "healthy", "i-3": "healthy", "i-4": "healthy"}


def both_serve(at: float, **states: str) -> Observation:
    """Return an observation in which blue has the first two members, green the others."""
    groups = {
        name: ObservedGroup(
            name=name,
            desired=2,
            minimum=0,
            maximum=4,
            template="lt-1",
            version="1",
            attached=frozenset({WEB.identifier}),
            members=tuple(a_member(each) for each in ids),
        )
        for name, ids in ((ONE, ("i-1", "i-2")), ("web-staging-r000002", ("i-3", "i-4")))
    }
    found = {**TARGETS, **{each.replace("_", "-"): state for each, state in states.items()}}
    targets = {id_: Target(id=id_, state=state) for id_, state in found.items()}
    return Observation(at=at, groups=groups, targets={WEB.identifier: targets})


WAITS = "1 of 2 members of web-staging-r000001 are healthy"


@pytest.mark.parametrize("first", ["draining", "initial", "unhealthy"])
def test_a_blue_that_batches_reduced_is_whole_again_before_green_leaves(first: str) -> None:
    """A member that drains at first was removed by a batch; an unhealthy one may just start."""
    watcher = going_back(whole=True)
    watcher.add(both_serve(1, i_2=first))
    found = watcher.judge()
    assert isinstance(found, Progressing)
    assert found.reason.startswith(WAITS)
    watcher.add(both_serve(31, i_2=first))
    assert isinstance(watcher.judge(), Healthy), "half of the time is over"


@pytest.mark.parametrize(("before", "verdict"), [(2, ""), (1, WAITS), (None, "")])
def test_only_a_member_that_blue_had_at_the_beginning_counts_as_unhealthy_before(
    before: int | None, verdict: str
) -> None:
    """One that an interrupted way back launched fails its checks until its application runs."""
    watcher = going_back(before=before)
    watcher.add(both_serve(1, i_2="unhealthy"))
    found = watcher.judge()
    assert (found.reason if isinstance(found, Progressing) else "")[: len(WAITS)] == verdict


def going_back(*, whole: bool = False, before: int | None = None) -> GateWatcher:
    """Return what watches blue in the phase that restores it."""
    document = replace(DOCUMENT, releases={BLUE: kept(1), GREEN: kept(2)})
    if before is not None:
        sized = begin(cloud(), before=Limits(minimum=1, maximum=4, desired=before))
        document = replace(document, deployment=sized.deployment)
    return GateWatcher.begin(
        HalfHealthy(BLUE, GREEN, whole=whole),
        document=document,
        place=replace(PLACE, balancers=(WEB,)),
        policy=Policy(),
        limit=60,
        known={},
        writes=Writes(),
    )


def test_blue_needs_no_more_members_than_it_has_if_the_other_group_does_not_serve() -> None:
    watcher = watching(HalfHealthy(BLUE, other=GREEN), Policy())
    watcher.add(observed())
    assert watcher.size_target is None
    assert watcher.judge() == Healthy()
