"""Batches: green grows and blue shrinks in turn, and the way back gives blue its size again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.phase import Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.errors import FailedError
from pipeline.core.state.deployment import Deployment, Policy, Result
from pipeline.core.state.release import Size
from pipeline.core.state.strategy import Batches, Strategy
from tests.core.deploy.fakes import BLUE, GREEN, POLICY, FakeCloud, begin, cloud, recover
from tests.core.deploy.recoveries import (
    ONE,
    TWO,
    KilledError,
    is_done,
    killed,
    result_of,
)

LONG = pytest.mark.long
WHOLE = 10
BATCHES = Batches(min_healthy=75)


def policy_of(batches: Batches = BATCHES) -> Policy:
    return replace(
        POLICY,
        soak=0,
        observe=0,
        healthy_checks=1,
        deadline=300,
        strategy=Strategy.BATCHES,
        min_healthy=batches.min_healthy,
    )


class Counting:
    """Notes the least healthy and the most existing members after each call."""

    def __init__(self, fake: FakeCloud) -> None:
        self.fake, self.least, self.most = fake, WHOLE, 0

    def __call__(self, *_: object) -> None:
        groups = [group for group in self.fake.groups.values() if group.attached]
        healthy = sum(
            self.fake._state(group, member, "web") == "healthy"
            for group in groups
            for member in group.members
        )
        self.least = min(self.least, healthy)
        self.most = max(self.most, sum(len(each.members) for each in self.fake.groups.values()))


def fleet() -> FakeCloud:
    fake = cloud()
    group = fake.groups[ONE]
    group.minimum, group.maximum, group.desired = 4, 12, WHOLE
    fake._grow(group)
    for member in group.members:
        member.born = 0.0
        member.attached = dict.fromkeys(group.attached, 0.0)
    fake.past.clear()
    fake.remember()
    return fake


def promote(fake: FakeCloud, batches: Batches = BATCHES) -> Deployment:
    deployer = begin(fake, policy=policy_of(batches))
    first = batches.green(1).size(WHOLE)
    record = fake.document.releases[GREEN]
    size = Size(instance_type="t3.micro", minimum=first, maximum=12, desired=first)
    launched = replace(record, release=replace(record.release, size=size))
    fake.document = fake.document.with_release(launched)
    return deployer.run(promotion(BLUE, GREEN, how=Manner(batches=batches)))


@pytest.mark.parametrize(("percent", "count"), [(50, 2), (75, 4), (90, 10), (100, 10)])
def test_a_batch_is_as_large_as_the_share_that_may_be_missing(percent: int, count: int) -> None:
    assert Batches(min_healthy=percent).count == count


@pytest.mark.parametrize("percent", [50, 75, 90, 100])
def test_capacity_never_falls_below_the_healthy_share_and_the_fleet_never_doubles(
    percent: int,
) -> None:
    batches, fake = Batches(min_healthy=percent), fleet()
    counted = Counting(fake)
    fake.fail = counted
    done = promote(fake, batches)
    is_done(fake, done)
    assert counted.least >= batches.least(WHOLE)
    assert counted.most <= WHOLE + batches.green(1).size(WHOLE)
    assert fake.groups[TWO].desired == WHOLE


def test_a_green_that_fails_in_a_batch_leaves_blue_as_large_as_it_was() -> None:
    fake = fleet()

    def sicken(_: int, name: str) -> None:
        if name == "resize!" and fake.groups[ONE].desired < WHOLE:
            fake.unhealthy_groups.add(TWO)

    fake.fail = sicken
    done = promote(fake)
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.serving == fake.existing == {BLUE}
    blue = fake.groups[ONE]
    assert (blue.minimum, blue.maximum, blue.desired) == (4, 12, WHOLE)
    assert fake.document.releases[BLUE].stopped is None
    assert fake.outages == []


@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=LONG)])
def test_a_run_that_is_killed_at_any_call_is_finished_by_recover(when: str) -> None:
    for number, fake in killed(fleet(), promote, when)[::3]:
        if fake.document.deployment:
            recover(fake, policy=policy_of())
        assert fake.outages == fake.violations == [], number
        assert fake.serving == fake.existing == {fake.document.serving}, number
        [group] = fake.groups.values()
        assert group.desired == WHOLE, number


def test_an_error_of_the_resize_rolls_back() -> None:
    fake = fleet()

    def refuse(_: int, name: str) -> None:
        if name == "resize" and fake.calls.count("resize") == 2:
            raise FailedError("resizing", "AWS said no", "try again")

    fake.fail = refuse
    done = promote(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.groups[ONE].desired == WHOLE


def test_green_leaves_only_after_a_read_that_shows_blue_with_its_own_size() -> None:
    """A read of before the way back shows the reduced blue, all of it healthy."""
    fake = fleet()
    fake.age = lambda: 10.0
    counted, stopped = Counting(fake), list[str]()

    def stop(number: int, name: str) -> None:
        counted(number, name)
        if name == "resize!" and TWO in fake.groups and fake.groups[TWO].desired == 5:
            stopped.append(name)
            if len(stopped) == 1:
                raise KeyboardInterrupt

    fake.fail = stop
    done = promote(fake)
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert stopped
    assert counted.least >= BATCHES.least(WHOLE)


def test_a_blue_that_an_earlier_run_restored_is_not_resized_by_an_older_read() -> None:
    fake = fleet()

    def kill(_: int, name: str) -> None:
        if name == "resize!" and TWO in fake.groups and fake.groups[TWO].desired == 8:
            raise KilledError

    def kill_once_blue_is_restored(_: int, name: str) -> None:
        if name == "attach!":
            raise KilledError

    fake.fail = kill
    with pytest.raises(KilledError):
        promote(fake)
    fake.fail = kill_once_blue_is_restored
    with pytest.raises(KilledError):
        recover(fake, policy=policy_of(), back=True)
    fake.fail, fake.age = lambda *_: None, lambda: 14.9
    done = recover(fake, policy=policy_of(), back=True)
    assert result_of(done) is Result.ROLLED_BACK
    blue = fake.groups[ONE]
    assert (blue.minimum, blue.maximum, blue.desired) == (4, 12, WHOLE)
