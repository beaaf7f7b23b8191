"""Hooks in deployments: when they run, what their failure means, and what runs once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.phases import promotion
from pipeline.core.events import Event, Message
from pipeline.core.hooks.hook import DEFAULT_ON, NEVER_DECIDES, Hook, On, Point, Runs
from pipeline.core.state.deployment import Delays, Deployment, Kind, Policy, Result
from pipeline.core.state.strategy import Step, Strategy
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    PAIRED,
    POLICY,
    TEST_RULE,
    TODAY,
    FakeCloud,
    begin,
    cloud,
    recover,
    resume,
)

HERE = ("here",)


def hook(at: Point, *, fails: bool = False, **how: object) -> Hook:
    given = Hook(at=at, command=("false" if fails else "true",), timeout=1.0)
    return replace(given, **how)  # type: ignore[arg-type]


def with_hooks(*hooks: Hook) -> Policy:
    return replace(POLICY, hooks=hooks)


def promote(fake: FakeCloud, *hooks: Hook, **how: object) -> Deployment:
    deployer = begin(fake, blue=fake.document.serving, policy=with_hooks(*hooks), **how)  # type: ignore[arg-type]
    return deployer.run(promotion(fake.document.serving, GREEN))


FORWARD = [
    "before-launch",
    "after-launch",
    "before-traffic",
    "after-traffic",
    "after-drain",
    "before-retire",
    "after",
]
EVERY = tuple(hook(each) for each in Point)


def test_a_success_comes_to_these_points_in_order() -> None:
    fake = cloud()
    promote(fake, *EVERY)
    assert [at for at, *_ in fake.ran] == FORWARD


def test_a_failure_comes_to_the_points_of_the_way_back() -> None:
    fake = cloud()
    promote(fake, hook(Point.AFTER_TRAFFIC, fails=True), *EVERY)
    ran = [at for at, *_ in fake.ran]
    assert ran[-3:] == ["after-traffic", "on-rollback", "on-failure"]
    facts = fake.hook_facts_seen[-1]
    assert facts["AMI_PIPELINE_OUTCOME"] == "rolled back"
    assert facts["AMI_PIPELINE_REASON"] == "after-traffic hook false: exit code 1"
    assert fake.hook_facts_seen[-2]["AMI_PIPELINE_PHASE"] == "delete"


@pytest.mark.parametrize("at", [each for each in Point if each not in NEVER_DECIDES])
def test_a_failed_hook_rolls_back_until_the_decision_and_holds_after_it(at: Point) -> None:
    fake = cloud()
    done = promote(fake, hook(at, fails=True))
    assert done.outcome
    assert done.outcome.reason == f"{at} hook false: exit code 1"
    assert fake.outages == []
    if at is Point.BEFORE_RETIRE:
        assert done.outcome.result is Result.NEEDS_ATTENTION
        assert (fake.serving, fake.existing) == ({GREEN}, {BLUE, GREEN})
    else:
        assert done.outcome.result is Result.ROLLED_BACK
        assert fake.serving == fake.existing == {BLUE}
        assert fake.kept[f"{at}.txt"] == "no\n"
        assert done.outcome.remedy == f"read deployments/d/{at}.txt"


@pytest.mark.parametrize("at", sorted(NEVER_DECIDES))
def test_a_hook_after_the_decision_is_reported_and_changes_nothing(at: Point) -> None:
    fake, trouble = cloud(), hook(Point.BEFORE_TRAFFIC, fails=at is not Point.AFTER)
    done = promote(fake, trouble, hook(at, fails=True))
    assert done.outcome
    expected = Result.PROMOTED if at is Point.AFTER else Result.ROLLED_BACK
    assert done.outcome.result is expected
    assert done.outcome.hook_errors == (f"{at} hook false: exit code 1",)
    assert fake.serving == fake.existing == {GREEN if at is Point.AFTER else BLUE}


def test_a_failed_group_that_is_kept_is_there_for_the_hook_of_the_way_back() -> None:
    fake = cloud()
    hooks = hook(Point.BEFORE_TRAFFIC, fails=True), hook(Point.ON_ROLLBACK, run=Runs.INSTANCE)
    promote(fake, *hooks, keep_failed=True)
    assert fake.existing == {BLUE, GREEN}
    assert fake.ran[-1] == ("on-rollback", "i-3", "i-4")


def test_a_hook_runs_on_the_members_of_the_release_that_it_names() -> None:
    fake = cloud()
    points = (Point.BEFORE_LAUNCH, Point.AFTER_LAUNCH, Point.AFTER_DRAIN, Point.BEFORE_RETIRE)
    promote(fake, *(hook(each, run=Runs.INSTANCE, on=DEFAULT_ON[each]) for each in points))
    assert fake.ran == [
        ("before-launch", "i-1", "i-2"),
        ("after-launch", "i-3", "i-4"),
        ("after-drain", "i-1", "i-2"),
        ("before-retire", "i-1", "i-2"),
    ]


def test_a_hook_without_an_instance_is_skipped_with_a_message() -> None:
    fake, said = cloud(blue=False), list[Event]()
    policy = with_hooks(hook(Point.BEFORE_RETIRE, run=Runs.INSTANCE, on=On.BLUE))
    done = begin(fake, blue="", policy=policy, report=said.append).run(promotion("", GREEN))
    assert done.outcome
    assert (done.outcome.result, fake.ran) == (Result.PROMOTED, [])
    text = "before-retire hook true: skipped, because no instance of blue, which does not exist"
    assert any(isinstance(each, Message) and each.text.startswith(text) for each in said)


def test_a_deployment_that_only_deletes_runs_no_hook() -> None:
    fake = cloud()
    promote(fake, hook(Point.BEFORE_TRAFFIC, fails=True), keep_failed=True)
    fake.ran.clear()
    begin(fake, kind=Kind.ABORT, policy=with_hooks(*EVERY)).run(promotion(BLUE, GREEN)[-1:])
    assert fake.ran == []


def test_a_hook_with_once_runs_once_for_an_image() -> None:
    fake, once = cloud(), hook(Point.AFTER_LAUNCH, once=True)
    promote(fake, once, hook(Point.BEFORE_TRAFFIC, fails=True))
    (record,) = fake.once.values()
    assert (record.release, record.ended, record.code) == (GREEN, TODAY, 0)
    promote(fake, once)
    assert [at for at, *_ in fake.ran].count("after-launch") == 1


def test_a_hook_with_once_does_not_run_in_a_rollback() -> None:
    fake, once = cloud(), hook(Point.AFTER_LAUNCH, once=True)
    done = promote(fake, once, kind=Kind.ROLLBACK)
    assert done.outcome
    assert (done.outcome.result, fake.ran, fake.once) == (Result.PROMOTED, [], {})


def test_a_hook_with_once_that_failed_runs_again() -> None:
    fake, once = cloud(), hook(Point.AFTER_LAUNCH, once=True, fails=True)
    for _ in range(2):
        assert promote(fake, once).outcome
    assert fake.ran == [("after-launch", "here")] * 2


def test_a_hook_with_once_whose_end_is_unknown_does_not_run_again() -> None:
    fake, once = cloud(), hook(Point.AFTER_LAUNCH, once=True)

    def die(_: int, name: str) -> None:
        if name == "hook!":
            raise SystemExit

    fake.fail = die
    with pytest.raises(SystemExit):
        promote(fake, once)
    fake.fail = lambda *_: None
    back = recover(fake, policy=with_hooks(once))
    assert back.outcome
    assert back.outcome.result is Result.ROLLED_BACK
    done = promote(fake, once)
    assert done.outcome
    assert done.outcome.reason == (
        f"after-launch hook true: began for  at {TODAY} in d, and its end is unknown: "
        "it is not run again, because it may have changed something"
    )
    assert done.outcome.remedy == "ami-pipeline state hooks -e staging"
    assert len(fake.ran) == 1


@pytest.mark.parametrize("at", [Point.AFTER_DRAIN, Point.BEFORE_RETIRE, Point.AFTER])
def test_a_hook_in_which_the_run_died_runs_again_in_the_recovery(at: Point) -> None:
    fake = cloud()

    def die(_: int, name: str) -> None:
        if name == "hook":
            raise SystemExit

    fake.fail = die
    with pytest.raises(SystemExit):
        promote(fake, hook(at))
    fake.fail = lambda *_: None
    done = recover(fake, policy=with_hooks(hook(at)))
    assert done.outcome
    assert done.outcome.result is Result.PROMOTED
    assert fake.ran == [(at, "here")] * 2


def test_no_hook_runs_after_a_second_signal() -> None:
    fake = cloud()

    def stop(_: int, name: str) -> None:
        if name == "attach":
            fake.signals = 2
            raise KeyboardInterrupt

    fake.fail = stop
    done = promote(fake, hook(Point.ON_FAILURE), hook(Point.ON_ROLLBACK))
    assert done.outcome
    assert (done.outcome.result, fake.ran) == (Result.NEEDS_ATTENTION, [])


@pytest.mark.parametrize("phase", [phase.name for phase in promotion(BLUE, GREEN)])
def test_a_promotion_that_paused_comes_to_every_point_once(phase: str) -> None:
    fake, policy = cloud(), with_hooks(*EVERY)
    begin(fake, policy=policy, pause_before=(phase,)).run(promotion(BLUE, GREEN))
    assert not {"after", "on-failure"} & {at for at, *_ in fake.ran}
    resume(fake, policy=policy)
    assert [at for at, *_ in fake.ran] == FORWARD


@pytest.mark.parametrize("strategy", [Strategy.FLIP, Strategy.CANARY])
def test_a_promotion_of_a_pair_comes_to_every_point(strategy: Strategy) -> None:
    steps = (Step(seconds=1, weight=5),) if strategy is Strategy.CANARY else ()
    fake = cloud(place=PAIRED)
    policy = replace(with_hooks(*EVERY), strategy=strategy, steps=steps, delays=Delays(drain=6))
    deployer = begin(fake, policy=policy)
    deployer.run(promotion(BLUE, GREEN, how=deployer.reconciler.manner))
    assert [at for at, *_ in fake.ran] == FORWARD
    phases = {
        each["AMI_PIPELINE_POINT"]: each["AMI_PIPELINE_PHASE"] for each in fake.hook_facts_seen
    }
    assert phases["before-traffic"] == "verify"
    urls = {
        each["AMI_PIPELINE_POINT"]: each["AMI_PIPELINE_TEST_URL"] for each in fake.hook_facts_seen
    }
    assert urls["before-traffic"] == fake.url_of(TEST_RULE)
    assert urls["before-launch"] == ""
    assert phases["after-traffic"] == "drain"
