"""A promotion that pauses: before every phase, killed at every call, resumed and undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from pipeline.core.deploy.phase import Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import PromoteRequest, pauses_of
from pipeline.core.errors import ConfigurationError, FailedError, RefusedError
from pipeline.core.pausing.pause import Approval, Decision, OnTimeout, PausePolicy
from pipeline.core.state.deployment import Delays, Deployment, Policy, Result
from pipeline.core.state.strategy import Step, Strategy
from pipeline.core.validation.phases import PAUSABLE
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    ONE_SIDE,
    OTHER_SIDE,
    PAIRED,
    POLICY,
    RULE,
    TODAY,
    WORKERS,
    FakeCloud,
    begin,
    cloud,
    recover,
    resume,
)
from tests.core.deploy.recoveries import (
    ONE,
    TWO,
    is_done,
    is_put_back,
    killed,
    result_of,
)

FLIP = replace(POLICY, soak=0, strategy=Strategy.FLIP, delays=Delays(drain=6), deadline=120)
CANARY = replace(
    FLIP, strategy=Strategy.CANARY, steps=(Step(seconds=4, weight=5), Step(seconds=3, weight=25))
)
TABLE = promotion(BLUE, GREEN)
NAMES = [phase.name for phase in TABLE]
BEFORE_DRAIN = ("drain",)
KILLED_BEFORE = [
    "drain",
    *(pytest.param(each, marks=pytest.mark.long) for each in ("attach", "retire")),
]


def paused_before(
    *phases: str, fake: FakeCloud | None = None, how: Manner | None = None
) -> FakeCloud:
    """Return an environment whose promotion waits before the first of these phases."""
    fake = fake or cloud()
    done = begin(fake, pause_before=phases).run(promotion(BLUE, GREEN, how=how or Manner()))
    assert result_of(done) is Result.PAUSED, done.outcome
    assert done == fake.document.deployment == fake.recorded[-1]
    fake.calls.clear()
    return fake


def pause_of(fake: FakeCloud) -> str:
    deployment = fake.document.deployment
    return deployment.pause.before if deployment and deployment.pause else ""


# --- the pause ------------------------------------------------------------------------------------


def test_a_promotion_can_pause_before_each_of_its_phases_and_leaves_the_fleet_of_the_last() -> None:
    assert set(NAMES) <= set(PAUSABLE)
    for place, phase in enumerate(NAMES):
        fake = paused_before(phase)
        deployment = fake.document.deployment
        assert deployment
        assert [run.name for run in deployment.phases] == NAMES[:place]
        assert (deployment.phase, pause_of(fake)) == (NAMES[place - 1] if place else "", phase)
        assert fake.serving == (TABLE[place - 1].want.serving if place else {BLUE})
        assert fake.document.serving == BLUE
        assert (deployment.ended, fake.outages) == ("", [])


def test_the_pause_says_until_when_it_lasts_and_what_follows() -> None:
    fake = cloud()
    pauses = PausePolicy(
        limit=90.0, on_timeout=OnTimeout.RESUME, approval=Approval.ANOTHER, before=BEFORE_DRAIN
    )
    policy = replace(POLICY, pauses=pauses)
    done = begin(fake, policy=policy, pause_before=BEFORE_DRAIN).run(TABLE)
    assert done.pause
    assert (done.pause.since, done.pause.until) == (TODAY, "2026-01-01T00:01:30+00:00")
    assert (done.pause.on_timeout, done.pause.approval) == (OnTimeout.RESUME, Approval.ANOTHER)
    assert (done.pause.decision, done.pause.ended) == (None, "")


def test_a_phase_that_a_deployment_does_not_have_pauses_nothing() -> None:
    fake = cloud(blue=False)
    done = begin(fake, blue="", pause_before=BEFORE_DRAIN).run(promotion("", GREEN))
    is_done(fake, done)


def test_a_signal_that_arrives_when_a_pause_begins_goes_back() -> None:
    whole = cloud()
    begin(whole, pause_before=BEFORE_DRAIN).run(TABLE)
    last = max(at for at, name in enumerate(whole.calls, 1) if name == "sleep")
    fake = cloud()

    def interrupt(number: int, name: str) -> None:
        if (number, name) == (last, "sleep"):
            raise KeyboardInterrupt

    fake.fail = interrupt
    done = begin(fake, pause_before=BEFORE_DRAIN).run(TABLE)
    is_put_back(fake, done)
    assert done.outcome
    assert (done.outcome.interrupted, done.outcome.phase, done.pauses) == (True, "soak", ())


def test_terraforms_saved_plan_is_discarded_if_a_promotion_pauses_before_its_launch() -> None:
    fake = cloud()
    deployer = begin(fake, pause_before=("launch",))
    deployer.reconciler.prepared = fake.plan([], creates=frozenset(), deletes=frozenset())
    deployer.run(TABLE)
    assert "discard" in fake.calls


def test_a_way_back_and_a_takeover_never_pause() -> None:
    fake = cloud()
    begin(fake, pause_before=PAUSABLE[1:])
    dead = fake.document.deployment
    assert dead
    fake.add(2, attached=False)
    del fake.groups[ONE]
    fake.state.discard(BLUE)
    kept = replace(fake.document.releases[GREEN], made=True)
    document = fake.document.with_release(kept)
    fake.document = replace(document, deployment=replace(dead, phase="soak"))
    fake.has_served = False
    is_done(fake, recover(fake))


# --- resume ---------------------------------------------------------------------------------------


def test_a_resumed_promotion_ends_like_one_that_never_paused() -> None:
    for phase in NAMES:
        fake = paused_before(phase)
        done = resume(fake)
        is_done(fake, done)
        [pause] = done.pauses
        assert (pause.decision, pause.ended, done.outcome) == (
            Decision.RESUMED,
            TODAY,
            done.outcome,
        )
        names = [run.name for run in done.phases]
        assert [name for name in names if name != "resume"] == NAMES
        assert names.count("resume") == (phase != "launch")
        assert Counter(fake.changed)["attach", GREEN] == 1


def test_workers_pause_and_resume_too() -> None:
    for overlap in (True, False):
        policy = replace(POLICY, overlap=overlap)
        how = Manner(worker=True, overlap=overlap)
        table = promotion(BLUE, GREEN, how=how)
        for phase in table:
            fake = cloud(place=WORKERS, overlap=overlap)
            done = begin(fake, policy=policy, pause_before=(phase.name,)).run(table)
            assert result_of(done) is Result.PAUSED
            ended = resume(fake, policy=policy)
            assert result_of(ended) is Result.PROMOTED, (phase.name, ended.outcome)
            assert (fake.serving, fake.outages) == ({GREEN}, [])


@pytest.mark.parametrize("policy", [FLIP, CANARY], ids=["flip", "canary by weight"])
def test_behind_a_pair_the_weights_stay_during_the_pause(policy: Policy) -> None:
    how = Manner(pairs=True, steps=policy.steps)
    table = promotion(BLUE, GREEN, how=how)
    for place, phase in enumerate(table):
        for back in (False, True):
            fake = cloud(place=PAIRED)
            deployer = begin(
                fake,
                policy=policy,
                pause_before=(phase.name,),
                target_groups=(OTHER_SIDE.identifier,),
            )
            assert result_of(deployer.run(table)) is Result.PAUSED
            shares = table[place - 1].want.shares if place else {}
            weights = fake.weights[RULE][OTHER_SIDE.identifier]
            assert weights == shares.get(GREEN, 0), phase.name
            if back:
                is_put_back(fake, recover(fake, policy=policy, back=True))
            else:
                is_done(fake, resume(fake, policy=policy))


def test_weights_that_a_person_moved_during_the_pause_lead_back() -> None:
    fake = cloud(place=PAIRED)
    table = promotion(BLUE, GREEN, how=Manner(pairs=True, steps=CANARY.steps))
    deployer = begin(
        fake, policy=CANARY, pause_before=("step-2",), target_groups=(OTHER_SIDE.identifier,)
    )
    deployer.run(table)
    fake.shift(RULE, {ONE_SIDE.identifier: 50, OTHER_SIDE.identifier: 50})
    is_put_back(fake, resume(fake, policy=CANARY))


def test_a_canary_by_members_keeps_the_size_of_its_step_during_the_pause() -> None:
    steps = (Step(seconds=4, members=1), Step(seconds=3, percent=50))
    policy = replace(POLICY, strategy=Strategy.CANARY, steps=steps)
    table = promotion(BLUE, GREEN, how=Manner(steps=steps))
    for phase in ("step-2", "soak", "drain"):
        fake = cloud()
        fake.groups[ONE].desired = 4
        fake._grow(fake.groups[ONE])
        fake.remember()
        begin(fake, policy=policy, pause_before=(phase,)).run(table)
        before = len(fake.groups[TWO].members)
        assert before == (4 if phase == "drain" else 2)
        is_done(fake, resume(fake, policy=policy))


def test_it_pauses_again_before_the_next_phase_of_the_list() -> None:
    fake = paused_before("verify", "drain", "retire")
    assert result_of(resume(fake)) is Result.PAUSED
    assert pause_of(fake) == "drain"
    assert result_of(resume(fake)) is Result.PAUSED
    assert (pause_of(fake), fake.serving, fake.document.serving) == ("retire", {GREEN}, BLUE)
    done = resume(fake)
    is_done(fake, done)
    assert [each.before for each in done.pauses] == ["verify", "drain", "retire"]


def test_a_run_that_is_recovered_forward_still_pauses_before_a_later_phase() -> None:
    left = killed(paused_before("drain", "retire"), resume, "after")
    for _, fake in left:
        deployment = fake.document.deployment
        if deployment and not deployment.pause:
            done = recover(fake)
            if result_of(done) is not Result.ROLLED_BACK:
                assert (result_of(done), pause_of(fake)) == (Result.PAUSED, "retire")
    assert len(left) > 20


DISTURBED: dict[str, Callable[[FakeCloud], object]] = {
    "green is unhealthy": lambda fake: fake.unhealthy_groups.add(TWO),
    "green was detached": lambda fake: fake.detach(TWO, fake.place.balancers),
    "blue was detached": lambda fake: fake.detach(ONE, fake.place.balancers),
    "an alarm is firing": lambda fake: setattr(fake, "firing", ("web-5xx: 7 errors",)),
}


@pytest.mark.parametrize("change", DISTURBED)
def test_if_the_fleet_is_not_as_the_last_phase_left_it_resume_goes_back(change: str) -> None:
    fake = cloud()
    policy = replace(POLICY, alarms=("web-5xx",))
    begin(fake, policy=policy, pause_before=BEFORE_DRAIN).run(TABLE)
    DISTURBED[change](fake)
    fake.outages.clear()
    done = resume(fake, policy=policy)
    is_put_back(fake, done)
    assert done.outcome
    if change in {"green is unhealthy", "an alarm is firing"}:
        assert done.outcome.phase == "resume"


def test_an_unhealthy_blue_does_not_keep_a_healthy_green_from_taking_over() -> None:
    fake = paused_before("drain")
    fake.unhealthy_groups.add(ONE)
    is_done(fake, resume(fake))


def test_a_group_that_was_deleted_during_the_pause_is_replaced_by_the_other_one() -> None:
    fake = paused_before("drain")
    del fake.groups[ONE]
    fake.state.discard(BLUE)
    is_done(fake, resume(fake))
    fake = paused_before("drain")
    del fake.groups[TWO]
    is_put_back(fake, resume(fake))


def test_green_reaches_the_size_that_blue_has_grown_to_during_the_pause() -> None:
    fake = paused_before("drain")
    fake.groups[ONE].desired = 4
    fake._grow(fake.groups[ONE])
    fake.remember()
    fake.sleep(60)
    is_done(fake, resume(fake))
    assert len(fake.groups[TWO].members) == 4


def test_resume_is_refused_without_any_change_if_the_phase_or_aws_is_missing() -> None:
    fake = paused_before("drain")
    deployment = fake.document.deployment
    assert deployment
    [pause] = deployment.pauses
    gone = replace(deployment, pauses=(replace(pause, before="step-2"),))
    fake.document = replace(fake.document, deployment=gone)
    with pytest.raises(RefusedError) as raised:
        resume(fake)
    assert "does not lead to any more; it leads to launch, verify" in raised.value.what
    assert raised.value.remedy.endswith("ami-pipeline abort -e staging")
    fake = paused_before("drain")
    fake.failing_reads = 1000
    with pytest.raises(RefusedError) as raised:
        resume(fake)
    assert raised.value.remedy == "ami-pipeline resume -e staging"
    assert pause_of(fake) == "drain"


def test_a_signal_during_the_check_leaves_the_deployment_paused() -> None:
    fake = paused_before("drain")
    before = fake.document

    def interrupt(_: int, name: str) -> None:
        if name == "alarms":
            raise KeyboardInterrupt

    fake.fail = interrupt
    policy = replace(POLICY, alarms=("web-5xx",))
    with pytest.raises(KeyboardInterrupt):
        resume(fake, policy=policy)
    assert (fake.document, fake.serving) == (before, {BLUE, GREEN})
    fake.fail = lambda *_: None
    is_done(fake, resume(fake, policy=policy))


# --- abort, and kills -----------------------------------------------------------------------------


def test_abort_restores_the_state_before_from_every_pause() -> None:
    for phase in NAMES:
        fake = paused_before(phase)
        is_put_back(fake, recover(fake, back=True))


def ended(fake: FakeCloud, *, back: bool) -> Deployment:
    """End a deployment after a kill, as the commands do: a paused one only by resume or abort."""
    if pause_of(fake):
        return recover(fake, back=True) if back else resume(fake)
    return recover(fake, back=back)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", KILLED_BEFORE)
def test_a_run_killed_at_any_call_up_to_the_pause_ends_by_one_command(
    phase: str, when: str
) -> None:
    whole = cloud()
    deployer = begin(whole, pause_before=(phase,))
    left = killed(whole, lambda _: deployer.run(TABLE), when)
    for number, fake in left:
        while fake.document.deployment:
            ended(fake, back=bool(number % 2))
        assert fake.outages == [], number
        assert fake.serving == fake.existing == {fake.document.serving}, number
    assert len(left) > 15


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
@pytest.mark.parametrize("phase", KILLED_BEFORE)
def test_a_resume_or_an_abort_killed_at_any_call_is_ended_by_one_more(
    phase: str, when: str
) -> None:
    for back in (False, True):
        left = killed(paused_before(phase), partial(ended, back=back), when)
        for number, fake in left:
            was_paused = pause_of(fake)
            if fake.document.deployment:
                done = ended(fake, back=back)
                if was_paused:
                    expected = Result.ROLLED_BACK if back else Result.PROMOTED
                    assert result_of(done) is expected, (number, done.outcome)
            assert (fake.outages, fake.document.deployment) == ([], None), number
            assert fake.serving == fake.existing == {fake.document.serving}, number
        assert len(left) > 10


def test_a_resume_whose_calls_fail_once_goes_on_or_back() -> None:
    whole = paused_before("drain")
    is_done(whole, resume(whole))
    changes = {"attach", "detach", "apply", "plan", "resize"}
    numbers = [number for number, name in enumerate(whole.calls, 1) if name in changes]
    results = Counter[Result]()
    for number in numbers:
        fake = paused_before("drain")

        def fail(at: int, name: str, number: int = number) -> None:
            if at == number and not name.endswith("!"):
                raise FailedError(name, "InternalError", "wait")

        fake.fail = fail
        results[result_of(resume(fake))] += 1
        assert fake.outages == []
    assert len(numbers) >= 4
    assert results[Result.ROLLED_BACK] > 0


def test_the_policy_of_a_check_waits_for_nothing() -> None:
    policy = replace(CANARY, soak=60.0, observe=60.0, delays=Delays(slow_start=60.0))
    waits = map(policy.without_waits().pause, ("soak", "step-1", "step-2", "shift", "observe"))
    assert set(waits) == {0.0}


# --- where a promotion pauses ---------------------------------------------------------------------


def test_it_pauses_before_configured_and_requested_phases_and_after_a_step_that_says_so() -> None:
    steps = (Step(seconds=4, weight=5, pause=True), Step(seconds=3, weight=25, pause=True))
    policy = replace(CANARY, steps=steps, pauses=PausePolicy(before=("retire", "soak")))
    table = promotion(BLUE, GREEN, how=Manner(pairs=True, steps=steps))
    request = PromoteRequest(environment="staging", pause_before=("verify",))
    assert pauses_of(table, policy, request) == ("verify", "step-2", "shift", "retire")


def test_a_requested_phase_that_the_deployment_lacks_is_an_error_with_a_command() -> None:
    request = PromoteRequest(environment="staging", pause_before=("shift",))
    with pytest.raises(ConfigurationError) as raised:
        pauses_of(TABLE, POLICY, request)
    assert raised.value.what.startswith("this deployment has no phase shift: its phases are launch")
    again = "ami-pipeline promote -e staging --pause-before observe"
    assert raised.value.remedy == f"name one of them, such as: {again}"
