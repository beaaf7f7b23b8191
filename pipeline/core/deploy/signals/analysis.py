"""The analysis as a signal: which minutes it reads in a phase, and what follows from a judgment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final

from pipeline.core.analysis.analysis import judge
from pipeline.core.analysis.entry import Entry, Source, Values, query_of
from pipeline.core.analysis.judgment import Finding, Judged, Judgment
from pipeline.core.analysis.policy import Analysis
from pipeline.core.analysis.record import PhaseAnalysis
from pipeline.core.analysis.samples import Against, Minute, Sides
from pipeline.core.analysis.thresholds import judge as judge_threshold
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import Metrics
from pipeline.core.deploy.signals.base import Moment, Signal
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message, Report
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.strategy import STEP

ANALYZED: Final = frozenset({Kind.PROMOTE, Kind.REBUILD})
"""The deployments that it judges: a rollback leaves a release that may be the worse one."""
LATE: Final = 60.0
"""Seconds until a complete minute can be read ("CloudWatch metrics for your Application Load
Balancer": measured and sent in 60-second intervals)."""
MINUTE: Final = 60.0
BEFORE: Final = 30
"""Minutes before the deployment that a phase is compared with."""


@dataclass(kw_only=True)
class _Reading:
    """What is known of one phase: its first minute, the last one read, and the judgment."""

    first: int
    last: int
    judgment: Judgment = field(default_factory=Judgment)
    error: str = ""

    @property
    def minutes(self) -> int:
        """How many complete minutes were read."""
        return max(0, self.last - self.first + 1)


@dataclass(kw_only=True)
class AnalysisSignal(Signal):
    """The analysis of one run of a deployment.

    `find_entries` returns the load balancers to compare, and may raise PipelineError. `group` is
    the name of green's group.
    """

    metrics: Metrics
    analysis: Analysis
    find_entries: Callable[[], Sequence[Entry]]
    group: str
    report: Report
    always: bool = False
    _readings: dict[str, _Reading] = field(default_factory=dict, init=False)
    _entries: Sequence[Entry] | None = field(default=None, init=False)
    _past: dict[Source, tuple[Minute, ...]] = field(default_factory=dict, init=False)

    def judge(self, moment: Moment) -> Verdict:
        """Fail as soon as green is certain to be worse; decide about the rest at the end.

        A phase without a length has no minutes to analyze.
        """
        length = moment.policy.pause(moment.phase)
        if not length:
            return Healthy()
        reading = self._reading(moment)
        self._update(reading, moment, ceil(length / MINUTE))
        if reading.judgment.result is Judged.FAIL:
            return Failed(reason=f"analysis: {reading.judgment.reason}")
        return self._at_end(reading, moment.phase) if moment.over else Healthy()

    def begin(self, phase: Phase, deployment: Deployment) -> Deployment:  # noqa: ARG002 - as defined
        """Record the judgments so far."""
        return self.end(deployment)

    def end(self, deployment: Deployment) -> Deployment:
        """Record the judgments."""
        kept = {each.phase: each for each in deployment.analysis}
        for phase, reading in self._readings.items():
            if reading.judgment.findings:
                kept[phase] = PhaseAnalysis(phase=phase, findings=reading.judgment.findings)
        return replace(deployment, analysis=tuple(kept.values()))

    def _reading(self, moment: Moment) -> _Reading:
        """Return what is known of the phase; its first minute begins after the phase began."""
        if moment.phase not in self._readings:
            first = self.metrics.minute(ago=moment.at - moment.began) + 1
            self._readings[moment.phase] = _Reading(first=first, last=first - 1)
        return self._readings[moment.phase]

    def _at_end(self, reading: _Reading, phase: str) -> Verdict:
        if reading.minutes < self.analysis.minutes:
            return Progressing(reason=self._progress(reading))
        judged = reading.judgment
        if judged.result is Judged.PASS:
            return Healthy()
        why = f"analysis is inconclusive: {judged.reason}"
        if self.analysis.inconclusive == "wait":
            return Progressing(reason=reading.error or why)
        if self.analysis.inconclusive == "fail":
            return Failed(reason=why)
        self.report(Message(text=f"{phase}: {why}"))
        return Healthy()

    def _progress(self, reading: _Reading) -> str:
        so_far = f"analysis: {reading.minutes} of {self.analysis.minutes} minutes"
        return f"{so_far}; {reading.error}" if reading.error else so_far

    def _update(self, reading: _Reading, moment: Moment, planned: int) -> None:
        """Read the minutes of the phase and judge them, once for each complete minute.

        A call that fails leaves the judgment as it is: the next observation repeats it.
        """
        last = self.metrics.minute(ago=LATE) - 1
        if last <= reading.last:
            return
        readings = max(planned, self.analysis.minutes, last - reading.first + 1)
        try:
            findings = (
                *self._compared(reading.first, last, moment, readings),
                *self._thresholds(reading.first, last),
            )
        except PipelineError as error:
            reading.error = f"{error.where}: {error.what}"
            return
        reading.last, reading.error = last, ""
        reading.judgment = Judgment(findings=findings)

    def _compared(
        self, first: int, last: int, moment: Moment, readings: int
    ) -> tuple[Finding, ...]:
        if not moment.deployment.blue or not self.analysis.compare:
            return ()
        if self._entries is None:
            self._entries = self.find_entries()
        found, count = [], len(self._entries)
        for entry in self._entries:
            sides = self._sides(entry, first, last, moment)
            judged = judge(sides, self.analysis, readings=readings * count)
            found += [_named(each, entry, count > 1) for each in judged.findings]
        return tuple(found)

    def _sides(self, entry: Entry, first: int, last: int, moment: Moment) -> Sides:
        """Return both sides: beside each other while both have traffic, else before and after."""
        if entry.is_pair and moment.phase.startswith(STEP):
            green, blue = self._samples((entry.green, entry.blue), first, last)
            return Sides(green=green, blue=blue, against=Against.BESIDE)
        [green] = self._samples((entry.green,), first, last)
        return Sides(green=green, blue=self._before(entry.blue, moment), against=Against.BEFORE)

    def _before(self, source: Source, moment: Moment) -> tuple[Minute, ...]:
        """Return the minutes before the deployment, which are read once."""
        if source not in self._past:
            began = self.metrics.minute_of(moment.deployment.began)
            [self._past[source]] = self._samples((source,), began - BEFORE, began - 1)
        return self._past[source]

    def _samples(
        self, sources: Sequence[Source], first: int, last: int
    ) -> list[tuple[Minute, ...]]:
        queries = [query for source in sources for query in source.queries]
        answers = iter(self.metrics.read(queries, first, last))
        return [
            source.minutes([next(answers) for _ in source.queries], first, last)
            for source in sources
        ]

    def _thresholds(self, first: int, last: int) -> tuple[Finding, ...]:
        wanted = self.analysis.metrics
        if not wanted:
            return ()
        answers = self.metrics.read([query_of(each, self.group) for each in wanted], first, last)
        return tuple(
            judge_threshold(each, _series(values, first, last))
            for each, values in zip(wanted, answers, strict=True)
        )


def _series(values: Values, first: int, last: int) -> list[float | None]:
    return [values.get(at) for at in range(first, last + 1)]


def _named(finding: Finding, entry: Entry, several: bool) -> Finding:
    return replace(finding, name=f"{entry.name} {finding.name}") if several else finding
