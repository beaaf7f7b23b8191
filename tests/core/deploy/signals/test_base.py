"""What decides besides health: a signal that fails, that needs time, that has nothing to say."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.signals.base import Moment, Signal, combined
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Outcome, Policy, Result
from tests.core.deploy.fakes import BLUE, GREEN, begin, cloud

FAILED, WAITS = Failed(reason="5xx: 3 %"), Progressing(reason="few samples")


@dataclass
class Scripted(Signal):
    """A signal that gives a verdict, and remembers the phases in which it was asked."""

    verdict: Verdict
    always: bool = False
    until: float = 0.0
    asked: list[str] = field(default_factory=list)

    def judge(self, moment: Moment) -> Verdict:
        self.asked.append(moment.phase)
        if self.until and moment.at - moment.began >= self.until:
            return Healthy()
        return self.verdict


def moment(*, over: bool = False) -> Moment:
    deployment = begin(cloud()).deployment
    return Moment(
        deployment=deployment, phase="soak", policy=Policy(), began=0.0, at=1.0, over=over
    )


def test_the_first_of_failed_and_needs_time_decides() -> None:
    quiet, slow, bad = Scripted(Healthy()), Scripted(WAITS), Scripted(FAILED)
    assert combined(Healthy(), [quiet], moment()) == Healthy()
    assert combined(Healthy(), [quiet, slow], moment()) == WAITS
    assert combined(Healthy(), [slow, bad], moment()) == FAILED
    assert combined(Progressing(reason="1 of 2"), [slow], moment()) == Progressing(reason="1 of 2")
    assert combined(Progressing(reason="1 of 2"), [bad], moment()) == FAILED


def test_two_failures_are_both_named() -> None:
    other = Scripted(Failed(reason="probe: 3 failed"))
    both = combined(Healthy(), [Scripted(FAILED), other], moment())
    assert both == Failed(reason="5xx: 3 %; probe: 3 failed")


def run(signal: Scripted) -> Deployment:
    fake = cloud()
    deployer = begin(fake)
    deployer.signals = [signal]
    done = deployer.run(promotion(BLUE, GREEN))
    assert fake.outages == []
    return done


def test_a_signal_that_fails_rolls_back_with_its_reason() -> None:
    done = run(Scripted(FAILED))
    assert done.outcome == Outcome(
        result=Result.ROLLED_BACK,
        phase="soak",
        reason="5xx: 3 %",
        evidence="deployments/d/evidence.txt",
        last_lines=("journal of i-1", "no database"),
        unserved=False,
    )


def test_a_signal_that_needs_time_keeps_its_phase_from_ending() -> None:
    signal = Scripted(WAITS, until=20)
    done = run(signal)
    assert done.outcome == Outcome(result=Result.PROMOTED)
    seconds = {each.name: each.seconds for each in done.phases}
    assert seconds["soak"] >= 20
    assert set(signal.asked) == {"soak", "observe"}


def test_a_signal_that_is_always_asked_is_asked_while_green_may_have_traffic() -> None:
    signal = Scripted(Healthy(), always=True)
    run(signal)
    assert set(signal.asked) == {"attach", "soak", "drain", "observe"}
