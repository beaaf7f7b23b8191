"""Flip and canary by weight: traffic moves by the weights of a pair, in every failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from pipeline.core.deploy.phase import Fleet, Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.errors import FailedError
from pipeline.core.freshness import SETTLED, Write
from pipeline.core.state.deployment import Delays, Deployment, Kind, Policy, Result
from pipeline.core.state.strategy import Step, Strategy
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    ONE_SIDE,
    OTHER_SIDE,
    PAIRED,
    POLICY,
    RULE,
    TEST_RULE,
    FakeCloud,
    begin,
    cloud,
    kept,
    recover,
)
from tests.core.deploy.recoveries import is_done, is_put_back, killed, result_of

LONG = pytest.mark.long
FLIP = replace(
    POLICY, soak=0, observe=2, strategy=Strategy.FLIP, deadline=120, delays=Delays(drain=6)
)
STEPS = (Step(seconds=4, weight=5), Step(seconds=3, weight=25))
CANARY = replace(FLIP, strategy=Strategy.CANARY, steps=STEPS)
WAYS = pytest.mark.parametrize("policy", [FLIP, CANARY], ids=["flip", "canary"])
TWO = "web-staging-r000002"
A, B = ONE_SIDE.identifier, OTHER_SIDE.identifier


def manner(policy: Policy) -> Manner:
    return Manner(pairs=True, steps=policy.steps)


def promote(fake: FakeCloud, policy: Policy = FLIP) -> Deployment:
    deployer = begin(fake, policy=policy, blue=fake.document.serving, target_groups=(B,))
    return deployer.run(promotion(fake.document.serving, GREEN, how=manner(policy)))


def moves(fake: FakeCloud) -> list[int]:
    """Return the percent that green's target group had, change by change."""
    seen = [weights[RULE][B] for _, weights in fake.past_weights if RULE in weights]
    return [each for n, each in enumerate(seen) if n == 0 or each != seen[n - 1]]


def test_a_flip_moves_all_traffic_in_one_call() -> None:
    fake = cloud(place=PAIRED)
    done = promote(fake)
    is_done(fake, done)
    assert moves(fake) == [0, 100]
    assert [each.name for each in done.phases] == [
        "launch",
        "attach",
        "verify",
        "shift",
        "drain",
        "observe",
        "retire",
    ]
    assert fake.document.releases[GREEN].target_groups == (B,)


def test_a_canary_moves_the_traffic_in_its_steps_and_waits_in_each() -> None:
    fake = cloud(place=PAIRED)
    done = promote(fake, CANARY)
    is_done(fake, done)
    assert moves(fake) == [0, 5, 25, 100]
    seconds = {each.name: each.seconds for each in done.phases}
    assert seconds["step-1"] >= 4
    assert seconds["step-2"] >= 3


def test_the_test_listener_reaches_green_before_it_is_verified() -> None:
    fake = cloud(place=PAIRED)
    promote(fake)
    assert fake.weights[TEST_RULE] == {A: 0, B: 100}


def test_the_first_release_gets_the_traffic_of_an_empty_pair() -> None:
    fake = cloud(blue=False, place=PAIRED)
    done = promote(fake, CANARY)
    is_done(fake, done)
    assert fake.weights[RULE] == {A: 0, B: 100}
    assert moves(fake) == [0, 100]
    seen = [weights[RULE] for _, weights in fake.past_weights]
    assert all(sum(each.values()) == 100 for each in seen)


def test_a_first_release_that_fails_gives_the_traffic_back_to_what_had_it() -> None:
    fake = cloud(blue=False, place=PAIRED)

    def sicken(_: int, name: str) -> None:
        if name == "shift!" and fake.weights[RULE][B] == 100:
            fake.unhealthy_groups.add(TWO)

    fake.fail = sicken
    done = promote(fake, replace(FLIP, observe=30))
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.weights[RULE] == {A: 100, B: 0}
    assert fake.existing == set()


@WAYS
def test_a_green_that_is_never_healthy_gets_no_traffic(policy: Policy) -> None:
    fake = cloud(place=PAIRED)
    fake.unhealthy_groups.add(TWO)
    is_put_back(fake, promote(fake, policy))
    assert moves(fake) == [0]


def test_a_green_that_becomes_unhealthy_loses_its_traffic_in_one_call() -> None:
    fake = cloud(place=PAIRED)

    def sicken(_: int, name: str) -> None:
        if name == "shift!" and fake.weights[RULE][B] == 100:
            fake.unhealthy_groups.add(TWO)

    fake.fail = sicken
    done = promote(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.weights[RULE] == {A: 100, B: 0}
    assert fake.serving == fake.existing == {BLUE}


def test_weights_that_another_changes_keep_a_phase_from_ending() -> None:
    fake = cloud(place=PAIRED)

    def meddle(_: int, name: str) -> None:
        if name == "shift!" and fake.weights[RULE][B] == 100:
            fake.weights[RULE] = {A: 50, B: 50}
            fake.remember()

    fake.fail = meddle
    done = promote(fake)
    assert done.outcome
    assert done.outcome.result is Result.ROLLED_BACK
    assert done.outcome.phase == "shift"
    assert done.outcome.reason.endswith("rule/live sends arn:tg/a 50 %, arn:tg/b 50 %")


def calls_of(policy: Policy) -> list[str]:
    fake = cloud(place=PAIRED)
    promote(fake, policy)
    return fake.calls


def failing_at(number: int, kind: str) -> Callable[[int, str], None]:
    def fail(at: int, name: str) -> None:
        if at != number:
            return
        if kind == "signal" and name == "sleep!":
            raise KeyboardInterrupt
        if kind == "error" and not name.endswith("!") and name not in UNFAILING:
            raise FailedError(name, "AWS said no", "try again")

    return fail


UNFAILING = {"update", "record", "intend", "done", "sleep", "observe", "keep"}


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("error", FLIP),
        ("signal", CANARY),
        pytest.param("error", CANARY, marks=LONG),
        pytest.param("signal", FLIP, marks=LONG),
    ],
    ids=["error-flip", "signal-canary", "error-canary", "signal-flip"],
)
def test_a_failure_at_any_call_ends_with_one_release_that_serves(kind: str, policy: Policy) -> None:
    for number, name in enumerate(calls_of(policy), 1):
        if (name == "sleep") is not (kind == "signal") or name in UNFAILING - {"sleep"}:
            continue
        fake = cloud(place=PAIRED)
        deployer = begin(fake, policy=policy, target_groups=(B,))
        fake.fail = failing_at(len(fake.calls) + number, kind)
        done = deployer.run(promotion(BLUE, GREEN, how=manner(policy)))
        assert fake.outages == [], number
        assert fake.violations == [], number
        fake.fail = lambda *_: None
        if result_of(done) is Result.NEEDS_ATTENTION:
            done = recover(fake, policy=policy)
        assert fake.serving in ({BLUE}, {GREEN}), (number, done.outcome)
        assert fake.serving == fake.existing == {fake.document.serving}, (number, done.outcome)


@pytest.mark.parametrize("policy", [pytest.param(FLIP, marks=LONG), CANARY], ids=["flip", "canary"])
@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=LONG)])
def test_a_run_that_is_killed_at_any_call_is_finished_by_recover(when: str, policy: Policy) -> None:
    ends = set()
    for number, fake in killed(cloud(place=PAIRED), lambda fake: promote(fake, policy), when):
        if fake.document.deployment:
            recover(fake, policy=policy)
        assert fake.outages == [], number
        assert fake.violations == [], number
        assert fake.serving == fake.existing == {fake.document.serving}, number
        ends.add(fake.document.serving)
    assert ends == {BLUE, GREEN}


@WAYS
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=LONG)])
def test_old_answers_of_aws_lose_no_request(seed: int, policy: Policy) -> None:
    random = Random(seed)  # noqa: S311
    fake = cloud(place=PAIRED)
    fake.age = lambda: random.choice([0.0, random.uniform(0, SETTLED - 0.1), SETTLED - 0.1])
    is_done(fake, promote(fake, policy))


def test_traffic_goes_back_only_by_a_read_that_is_newer_than_the_last_detachment() -> None:
    fake = cloud(place=PAIRED)
    is_done(fake, promote(fake))
    fake.document = fake.document.with_release(kept(1))
    fake.add(1, attached=True)
    for member in fake.groups[fake.document.group(BLUE)].members:
        member.born = 1.0  # so that it registers anew
    fake.time += 100
    fake.remember()
    fake.past_weights.clear()
    fake.age, fake.registering = lambda: SETTLED - 0.1, 8.0
    deployer = begin(fake, kind=Kind.ROLLBACK, blue=GREEN, green=BLUE, policy=FLIP)
    deployer.deployment = replace(deployer.deployment, warm=True)
    fake.document = replace(fake.document, deployment=deployer.deployment)
    with deployer.reconciler._changing("detach", {Write.DETACH: {BLUE}}):
        fake.detach(fake.document.group(BLUE), [ONE_SIDE])
    fleet = Fleet(serving=frozenset({GREEN}), detached=frozenset({BLUE}), shares={GREEN: 100})
    done = deployer.run(rollback(BLUE, GREEN, fleet, manner(FLIP)), Result.ROLLED_BACK)
    assert fake.outages == []
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.weights[RULE] == {A: 100, B: 0}
