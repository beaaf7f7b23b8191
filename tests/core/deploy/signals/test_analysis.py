"""The analysis as a signal: which minutes count, and what follows from a judgment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from pipeline.core.analysis.entry import APPLICATION, Entry, Query, Source, Values
from pipeline.core.analysis.judgment import Judged
from pipeline.core.analysis.policy import Analysis, Threshold
from pipeline.core.analysis.record import PhaseAnalysis
from pipeline.core.deploy.signals.analysis import BEFORE, AnalysisSignal
from pipeline.core.deploy.signals.base import Moment
from pipeline.core.errors import RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Kind, Policy, Runner
from pipeline.core.state.strategy import Step

BEGAN = 1000.0 * 60
"""When the phase began: at the begin of minute 1000."""
WEB = Source(namespace=APPLICATION, dimensions=(("TargetGroup", "web"),))
IDLE = Source(namespace=APPLICATION, dimensions=(("TargetGroup", "idle"),))
ENTRY = Entry(name="web", green=WEB, blue=WEB)
PAIR = Entry(name="idle", green=IDLE, blue=WEB)
GOOD = {"RequestCount": 6000.0, "HTTPCode_Target_5XX_Count": 3.0, "p50": 0.1, "p90": 0.2}
GOOD |= {"p99": 0.4}
BAD = {**GOOD, "HTTPCode_Target_5XX_Count": 60.0}
LITTLE = {**GOOD, "RequestCount": 4.0, "HTTPCode_Target_5XX_Count": 0.0}
QUEUE = Threshold(
    namespace="Shop",
    metric="Queue",
    statistic="Maximum",
    above=80,
    dimensions=(("Group", "{group}"),),
)

Measured = Callable[[Query, int], float | None]


@dataclass
class FakeMetrics:
    """Metrics of a clock that the test sets; `calls` are the windows that were read."""

    measured: Measured
    now: float = BEGAN
    error: str = ""
    calls: list[tuple[int, int]] = field(default_factory=list)

    def minute(self, *, ago: float) -> int:
        return int((self.now - ago) // 60)

    def minute_of(self, time: str) -> int:
        return int(time)

    def read(self, queries: Sequence[Query], first: int, last: int) -> list[Values]:
        if self.error:
            raise RefusedError("reading the metrics", self.error, "")
        self.calls.append((first, last))
        return [
            {at: found for at in range(first, last + 1) if (found := self.measured(q, at))}
            for q in queries
        ]


def kept(green: dict[str, float], blue: dict[str, float] | None = None) -> Measured:
    """Return metrics that are green's from minute 995 on, or of a pair in the idle target group."""

    def measured(query: Query, at: int) -> float | None:
        is_green = at >= 995 if blue is None else query.dimensions == IDLE.dimensions
        side = green if is_green else blue or GOOD
        name = query.statistic if query.metric == "TargetResponseTime" else query.metric
        return side.get(name)

    return measured


@dataclass
class Run:
    """A phase with an analysis, whose time passes."""

    metrics: FakeMetrics
    signal: AnalysisSignal
    phase: str
    policy: Policy
    events: list[Event]

    def at(self, seconds: float, *, over: bool = False, blue: str = "r000001") -> Verdict:
        """Return the verdict some seconds after the phase began."""
        self.metrics.now = BEGAN + seconds
        moment = Moment(
            deployment=a_deployment(blue),
            phase=self.phase,
            policy=self.policy,
            began=5.0,
            at=5.0 + seconds,
            over=over,
        )
        return self.signal.judge(moment)

    @property
    def recorded(self) -> tuple[PhaseAnalysis, ...]:
        return self.signal.end(a_deployment()).analysis


def a_deployment(blue: str = "r000001") -> Deployment:
    return Deployment(
        id="d",
        kind=Kind.PROMOTE,
        environment="staging",
        green="r000002",
        blue=blue,
        began="995",
        by=Runner(user="ann", host="here", pid=1),
    )


def a_run(
    measured: Measured, phase: str = "soak", *, entries: Sequence[Entry] = (ENTRY,), **given: object
) -> Run:
    analysis = replace(Analysis(), **given)  # type: ignore[arg-type]
    events: list[Event] = []
    metrics = FakeMetrics(measured)
    signal = AnalysisSignal(
        metrics=metrics,
        analysis=analysis,
        find_entries=lambda: entries,
        group="web-staging-r000002",
        report=events.append,
    )
    policy = Policy(soak=600, observe=300, steps=(Step(seconds=600, weight=25),), analysis=analysis)
    run = Run(metrics, signal, phase, policy, events)
    assert run.at(0) == Healthy()
    return run


def test_a_minute_is_read_once_it_is_complete_and_a_minute_old() -> None:
    run = a_run(kept(GOOD))
    run.at(179)
    assert run.metrics.calls == []
    run.at(180)
    run.at(200)
    assert run.metrics.calls == [(1001, 1001), (995 - BEFORE, 994)]
    run.at(240)
    assert run.metrics.calls[2:] == [(1001, 1002)]


def test_a_good_release_passes_at_the_end_and_not_before_the_least_minutes() -> None:
    run = a_run(kept(GOOD))
    assert run.at(300, over=True) == Progressing(reason="analysis: 3 of 5 minutes")
    assert run.at(420, over=True) == Healthy()
    assert [str(each) for each in run.recorded] == ["soak pass"]


def test_a_release_that_fails_requests_is_a_failure_before_the_end() -> None:
    verdict = a_run(kept(BAD)).at(400)
    assert verdict == Failed(
        reason="analysis: 5xx: 1 % of 24,000 requests against 0.05 % of 180,000: worse "
        "(Fisher's exact test, p < 0.001)"
    )


@pytest.mark.parametrize(
    ("setting", "expected"), [("pass", Healthy), ("wait", Progressing), ("fail", Failed)]
)
def test_an_inconclusive_analysis_ends_as_configured(setting: str, expected: type[Verdict]) -> None:
    run = a_run(kept(LITTLE), compare=("5xx",), inconclusive=setting)
    assert run.at(500) == Healthy()
    verdict = run.at(600, over=True)
    assert isinstance(verdict, expected)
    why = (
        "analysis is inconclusive: 5xx: 0 % of 32 requests against 0.05 % of 180,000: "
        "each side needs 50 requests"
    )
    shown = [each.text for each in run.events if isinstance(each, Message)]
    assert (verdict.reason if isinstance(verdict, Progressing | Failed) else why) == why
    assert shown == ([f"soak: {why}"] if setting == "pass" else [])
    assert run.recorded[0].judgment.result is Judged.INCONCLUSIVE


def test_a_pair_is_compared_with_blue_beside_it_in_a_step() -> None:
    """Both fail 1 %, which would be a failure against the time before."""
    run = a_run(kept(BAD, BAD), "step-1", entries=[PAIR], compare=("5xx",))
    assert run.at(600, over=True) == Healthy()
    assert run.metrics.calls == [(1001, 1008)]
    worse = a_run(kept(BAD, GOOD), "step-1", entries=[PAIR])
    assert isinstance(worse.at(400), Failed)


def test_a_pair_is_compared_with_blues_past_once_green_serves_alone() -> None:
    run = a_run(kept(GOOD, GOOD), "observe", entries=[PAIR])
    assert run.at(600, over=True) == Healthy()
    assert run.metrics.calls == [(1001, 1008), (995 - BEFORE, 994)]


def test_several_load_balancers_are_named() -> None:
    other = Entry(name="admin", green=IDLE, blue=IDLE)
    run = a_run(kept(BAD), entries=[ENTRY, other])
    verdict = run.at(400)
    assert isinstance(verdict, Failed)
    assert "analysis: web 5xx: 1 %" in verdict.reason
    assert "; admin 5xx: 1 %" in verdict.reason


def test_a_phase_without_a_length_is_not_analyzed() -> None:
    run = a_run(kept(BAD), "shift")
    assert run.at(600, over=True) == Healthy()
    assert run.metrics.calls == []


def test_the_first_release_has_nothing_to_be_compared_with() -> None:
    run = a_run(kept(BAD))
    assert run.at(600, over=True, blue="") == Healthy()


def test_a_metric_with_a_limit_names_greens_group() -> None:
    def measured(query: Query, _at: int) -> float | None:
        assert query.dimensions == (("Group", "web-staging-r000002"),)
        return 90.0

    run = a_run(measured, compare=(), metrics=(QUEUE,))
    assert run.at(300) == Failed(
        reason="analysis: Queue Maximum: above 80 in 3 minutes in a row, last 90"
    )


def test_metrics_that_cannot_be_read_keep_the_phase_from_ending_until_they_can() -> None:
    run = a_run(kept(GOOD))
    run.metrics.error = "the service is unavailable"
    assert run.at(500) == Healthy()
    assert run.at(600, over=True) == Progressing(
        reason="analysis: 0 of 5 minutes; reading the metrics: the service is unavailable"
    )
    run.metrics.error = ""
    assert run.at(601, over=True) == Healthy()


def test_what_an_earlier_run_recorded_is_kept() -> None:
    run = a_run(kept(GOOD))
    run.at(600, over=True)
    earlier = PhaseAnalysis(phase="step-1", findings=run.recorded[0].findings)
    resumed = run.signal.end(replace(a_deployment(), analysis=(earlier,)))
    assert [each.phase for each in resumed.analysis] == ["step-1", "soak"]
