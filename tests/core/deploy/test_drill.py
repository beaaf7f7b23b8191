"""The drill of a rollback, killed at every call: the serving group and its traffic stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.ways_back import drill
from pipeline.core.health.place import Place
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.state.deployment import Deployment, Kind, Policy, Result
from pipeline.core.state.environment import DrillRecord
from pipeline.core.state.report import serves
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    OTHER_SIDE,
    PAIRED,
    PLACE,
    POLICY,
    RULE,
    TEST_RULE,
    TODAY,
    FakeCloud,
    begin,
    cloud,
    recover,
)
from tests.core.deploy.recoveries import TWO, KilledError, killed, result_of

EARLIER, WARM = "r000009", "r000000"
FAILING = replace(POLICY, hooks=(Hook(at=Point.BEFORE_TRAFFIC, command=("false",), timeout=1),))
PLACES = pytest.mark.parametrize("place", [PLACE, PAIRED], ids=["entry", "pair"])


def begin_drill(fake: FakeCloud, *, warm: bool = False, policy: Policy = POLICY) -> Deployer:
    green = WARM if warm else GREEN
    sides = (OTHER_SIDE.identifier,) if fake.place.pairs else ()
    deployer = begin(fake, kind=Kind.DRILL, green=green, policy=policy, target_groups=sides)
    deployer.deployment = replace(
        deployer.deployment, warm=warm, proves=WARM if warm else EARLIER, image="ami-9"
    )
    fake.document = replace(fake.document, deployment=deployer.deployment)
    return deployer


def run_drill(fake: FakeCloud, *, warm: bool = False, policy: Policy = POLICY) -> Deployment:
    deployer = begin_drill(fake, warm=warm, policy=policy)
    green, how = deployer.deployment.green, deployer.reconciler.manner
    others = fake.document.releases.keys() - {BLUE, green}
    phases = drill(BLUE, green, others, how, warm=warm)
    return deployer.run(phases, Result.PROVEN)


def drilled(place: Place = PLACE) -> FakeCloud:
    """Return an environment with a warm release beside the serving one."""
    sides = {**place.sides, WARM: (OTHER_SIDE.identifier,)} if place.pairs else {}
    return cloud(warm=[0], place=replace(place, sides=sides))


def is_as_before(fake: FakeCloud, following: int = 3) -> None:
    assert (fake.serving, fake.existing, fake.state) == ({BLUE}, {BLUE, WARM}, {BLUE, WARM})
    document = fake.document
    assert (document.serving, set(document.releases)) == (BLUE, {BLUE, WARM})
    assert (document.retired, document.deployment, document.next) == ((), None, following)
    assert not any(each.failed for each in document.releases.values())
    assert [change for change in fake.changed if change[1] == BLUE] == []
    assert fake.outages == fake.violations == []
    assert not fake.weights or fake.weights[RULE] == {"arn:tg/a": 100, "arn:tg/b": 0}


def test_a_drill_launches_verifies_and_removes_a_release_and_records_that() -> None:
    fake = drilled()
    done = run_drill(fake)
    assert result_of(done) is Result.PROVEN, done.outcome
    assert [each.name for each in done.phases] == ["launch", "verify", "delete"]
    assert fake.changed == [("resize", GREEN), ("delete", GREEN)]
    is_as_before(fake)
    assert serves(done) == BLUE
    assert fake.document.drill == DrillRecord(
        release=EARLIER,
        ami_id="ami-9",
        deployment="d",
        ended=TODAY,
        seconds=done.phases[0].seconds + done.phases[1].seconds,
    )


def test_behind_a_pair_the_release_passes_its_health_checks_and_only_the_test_rule_moves() -> None:
    fake = drilled(PAIRED)
    done = run_drill(fake)
    assert [each.name for each in done.phases] == ["launch", "attach", "verify", "detach", "delete"]
    assert result_of(done) is Result.PROVEN, done.outcome
    is_as_before(fake)
    tested = [weights[TEST_RULE] for _, weights in fake.past_weights if TEST_RULE in weights]
    assert {"arn:tg/a": 0, "arn:tg/b": 100} in tested
    assert tested[-1] == {"arn:tg/a": 100, "arn:tg/b": 0}
    assert {weights[RULE]["arn:tg/b"] for _, weights in fake.past_weights} == {0}


@PLACES
def test_a_warm_group_is_tried_as_it_is_and_stays(place: Place) -> None:
    fake = drilled(place)
    done = run_drill(fake, warm=True)
    assert result_of(done) is Result.PROVEN, done.outcome
    is_as_before(fake, following=2)
    assert not [each for each in fake.changed if each[0] == "delete"]
    assert fake.document.drill
    assert (fake.document.drill.release, fake.document.drill.reason) == (WARM, "")


@PLACES
@pytest.mark.parametrize("fault", ["hook", "unhealthy"])
def test_a_failed_drill_removes_the_release_and_keeps_the_evidence(
    place: Place, fault: str
) -> None:
    fake = drilled(place)
    if fault == "unhealthy":
        fake.unhealthy_groups.add(TWO)
    policy = FAILING if fault == "hook" or not place.pairs else POLICY
    done = run_drill(fake, policy=policy)
    assert result_of(done) is Result.ROLLED_BACK
    assert done.outcome
    assert done.outcome.evidence == "deployments/d/evidence.txt"
    is_as_before(fake)
    assert fake.document.drill
    failed = "verify" if (policy is FAILING and fault == "hook") or not place.pairs else "attach"
    assert fake.document.drill.reason.startswith(f"{failed}: ")


def test_a_failed_drill_of_a_warm_group_leaves_the_group_warm() -> None:
    fake = drilled()
    done = run_drill(fake, warm=True, policy=FAILING)
    assert result_of(done) is Result.ROLLED_BACK
    assert [each.name for each in done.phases] == ["launch", "verify"]
    is_as_before(fake, following=2)


@pytest.mark.parametrize(
    ("place", "when"),
    [
        (PLACE, "before"),
        pytest.param(PLACE, "after", marks=pytest.mark.long),
        pytest.param(PAIRED, "before", marks=pytest.mark.long),
        pytest.param(PAIRED, "after", marks=pytest.mark.long),
    ],
    ids=["entry before", "entry after", "pair before", "pair after"],
)
def test_a_drill_that_is_killed_at_any_call_is_removed_by_recover(place: Place, when: str) -> None:
    for at, fake in killed(drilled(place), run_drill, when):
        if fake.document.deployment:
            done = recover(fake)
            assert fake.document.drill
            is_proven = result_of(done) is Result.PROVEN
            assert fake.document.drill.reason == ("" if is_proven else "interrupted"), at
        is_as_before(fake)


def test_a_killed_drill_whose_serving_group_was_deleted_removes_what_is_left_of_both() -> None:
    fake = drilled()
    fake.fail = lambda _, name: _kill() if name == "hook" else None
    with pytest.raises(KilledError):
        run_drill(fake, policy=FAILING)
    fake.fail = lambda *_: None
    del fake.groups["web-staging-r000001"]
    fake.has_served = False
    recover(fake)
    assert set(fake.document.releases) == {WARM}
    assert (fake.document.serving, fake.document.deployment) == ("", None)


def _kill() -> None:
    raise KilledError


@PLACES
def test_a_signal_at_any_moment_ends_with_everything_as_it_was(place: Place) -> None:
    fake = drilled(place)
    run_drill(fake)
    for at in (number for number, name in enumerate(fake.calls, 1) if name == "sleep"):
        again = drilled(place)
        again.fail = interrupting(at)
        done = run_drill(again)
        assert result_of(done) in {Result.PROVEN, Result.ROLLED_BACK}, (at, done.outcome)
        is_as_before(again)


def interrupting(number: int) -> Callable[[int, str], None]:
    """Return a signal in one sleep, as the only place where it arrives."""

    def interrupt(at: int, name: str) -> None:
        if at == number and name == "sleep!":
            raise KeyboardInterrupt

    return interrupt
