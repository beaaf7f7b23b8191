"""Deployments whose reads are older than their writes, ended by a signal or a kill at any call.

Every answer of every API shows a state of the last seconds, and the next answer may show an earlier
one. Whatever happens, a healthy group is attached at every moment, and no group with traffic is
emptied or deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from pipeline.core.deploy.phase import Fleet
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.freshness import SETTLED
from pipeline.core.state.deployment import Deployment, Kind, Result
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    POLICY,
    FakeCloud,
    begin,
    cloud,
    recover,
)
from tests.core.deploy.recoveries import (
    ONE,
    TWO,
    KilledError,
    ends_of_waits,
    is_done,
    is_put_back,
    killed,
    killing_at,
    result_of,
)

QUICK = replace(POLICY, soak=0, observe=0, deadline=120)
OLDEST = SETTLED - 0.1
BRIEF = ("oldest", "any")
LONG = ("2", "5", "10", "oldest at every call", "any at every call")
AGES = [*BRIEF, *(pytest.param(each, marks=pytest.mark.long) for each in LONG)]
SEED = 1  # the number of calls depends on it


def ages(which: str, seed: int) -> Callable[[], float]:
    """Return the age of each answer, in seconds."""
    which = which.removesuffix(" at every call")
    if which == "any":
        random = Random(seed)  # noqa: S311
        return lambda: random.choice([0.0, random.uniform(0, OLDEST), OLDEST])
    return lambda: OLDEST if which == "oldest" else float(which)


def promote(fake: FakeCloud, *, keep: bool = False) -> Deployment:
    policy = replace(QUICK, keep=None) if keep else QUICK
    blue = fake.document.serving
    return begin(fake, blue=blue, policy=policy).run(promotion(blue, GREEN, keep=keep))


def roll_back(fake: FakeCloud) -> Deployment:
    """Roll back to the warm blue of a promotion that has just ended."""
    fleet = Fleet(serving=frozenset({GREEN}), detached=frozenset({BLUE}))
    deployer = begin(fake, kind=Kind.ROLLBACK, blue=GREEN, green=BLUE, policy=QUICK)
    deployer.deployment = replace(deployer.deployment, warm=True)
    fake.document = replace(fake.document, deployment=deployer.deployment)
    return deployer.run(rollback(BLUE, GREEN, fleet))


def signal_at(number: int) -> Callable[[int, str], None]:
    def fail(at: int, name: str) -> None:
        if at == number and name.endswith("!"):
            raise KeyboardInterrupt

    return fail


def is_safe(fake: FakeCloud, context: object) -> None:
    assert (fake.outages, fake.violations) == ([], []), context


def calls_of(run: Callable[[FakeCloud], Deployment], fake: FakeCloud) -> list[str]:
    run(fake)
    return fake.calls[:-2]  # the last two only record the end


def moments(which: str, calls: Sequence[str]) -> Sequence[int]:
    """Return the numbers of the calls at which a run ends; those of every call take minutes."""
    return ends_of_waits(calls) if which in BRIEF else range(1, len(calls) + 1)


@pytest.mark.parametrize("which", AGES)
def test_a_promotion_with_stale_reads_ends_with_green_alone(which: str) -> None:
    for seed in range(8):
        fake = cloud()
        fake.age = ages(which, seed)
        is_done(fake, promote(fake))
        is_safe(fake, seed)


@pytest.mark.parametrize("which", AGES)
def test_a_signal_at_any_call_leads_back_to_blue(which: str) -> None:
    fake = cloud()
    fake.age = ages(which, SEED)
    for at in moments(which, calls_of(promote, fake)):
        fake = cloud()
        fake.age, fake.fail = ages(which, SEED), signal_at(at)
        done = promote(fake)
        context = (at, fake.calls[at - 1], done.outcome)
        is_safe(fake, context)
        if result_of(done) is Result.ROLLED_BACK:
            is_put_back(fake, done)
        else:  # it came in retire, or after the last decision
            assert fake.serving == {GREEN}, context


def test_a_signal_right_after_blue_was_detached_costs_no_request() -> None:
    """With reads of 10 s, the way back once believed "attached, healthy" and detached green."""
    fake = cloud()
    fake.age = lambda: 10.0
    detached: list[int] = []

    def fail(at: int, name: str) -> None:
        if name == "detach!" and not detached:
            detached.append(at)
            raise KeyboardInterrupt

    fake.fail = fail
    done = promote(fake)
    is_put_back(fake, done)
    is_safe(fake, done)
    assert detached
    first = fake.changed.index(("detach", BLUE))
    assert fake.changed[first + 1] == ("attach", BLUE)


def test_attaching_is_repeated_until_an_observation_shows_it() -> None:
    """A run that was believed dead detaches blue once more, a moment after it was attached."""
    fake = cloud()
    fake.fail = lambda _, name: interfere(name)
    came: list[str] = []

    def interfere(name: str) -> None:
        came.append(name)
        if name == "detach!" and came.count(name) == 1:
            raise KeyboardInterrupt
        if name == "attach!" and came.count("attach!") == 2:
            fake.groups[ONE].attached.clear()

    done = promote(fake)
    is_put_back(fake, done)
    assert Counter(fake.changed)["attach", BLUE] == 2


@pytest.mark.parametrize("which", AGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_recover_after_a_kill_at_any_call_is_safe(which: str, when: str) -> None:
    results = Counter[Result]()
    fake = cloud()
    fake.age = ages(which, SEED)
    left = killed(fake, promote, when)
    at_each = moments(which, fake.calls)
    for at, fake in left:
        if at not in at_each or fake.document.deployment is None:
            continue
        fake.age = ages(which, SEED)
        done = recover(fake, policy=QUICK)
        results[result_of(done)] += 1
        context = (at, fake.calls[at - 1], done.outcome)
        is_safe(fake, context)
        assert len(fake.serving) == 1, context
        assert fake.serving == fake.existing == fake.state == {fake.document.serving}, context
    assert set(results) == {Result.PROMOTED, Result.ROLLED_BACK}


@pytest.mark.parametrize("which", AGES)
@pytest.mark.parametrize("fault", ["none", "signal", "kill"])
def test_a_rollback_right_after_a_promotion_is_safe(which: str, fault: str) -> None:
    """The warm blue was attached and healthy a moment ago, which an answer may still show."""

    whole = cloud()
    promote(whole, keep=True)
    whole.calls.clear()

    def prepared() -> FakeCloud:
        fake = whole.copied()
        fake.age = ages(which, SEED)
        return fake

    calls = calls_of(roll_back, prepared())
    for at in moments(which, calls) if fault != "none" else range(1):
        fake = prepared()
        fake.fail = killing_at(at, "after") if fault == "kill" else signal_at(at)
        try:
            done = roll_back(fake)
        except KilledError:
            fake.fail = lambda *_: None
            done = recover(fake, policy=QUICK)
        is_safe(fake, (at, done.outcome))
        if result_of(done) is Result.PROMOTED:
            assert fake.serving == fake.existing == {BLUE}, (at, done.outcome)
        else:
            assert result_of(done) is Result.NEEDS_ATTENTION
            assert fake.serving >= {GREEN} or fake.serving == {BLUE}


@pytest.mark.parametrize("which", AGES)
def test_a_green_that_fails_soon_after_its_attachment_is_detached_before_it_is_deleted(
    which: str,
) -> None:
    for seed in range(5):
        fake = cloud()
        fake.age = ages(which, seed)

        def ring(_: int, name: str, fake: FakeCloud = fake) -> None:
            if name == "attach!":
                fake.unhealthy_groups.add(TWO)
                fake.fail = lambda *_: None
                raise KeyboardInterrupt

        fake.fail = ring
        done = promote(fake)
        is_put_back(fake, done)
        is_safe(fake, seed)
        assert ("detach", GREEN) in fake.changed
