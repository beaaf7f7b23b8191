"""The probe as a signal: where its requests go in each phase, and when they roll back.

Failures count against green only on the way forward of a promotion, and while green may have
traffic. On the way back they are counted, so that the totals tell what users lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import Prober
from pipeline.core.deploy.signals.base import Moment, Signal
from pipeline.core.errors import FailedError, PipelineError
from pipeline.core.events import Message, ProbeCounted, Report
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.probe.expectation import Result
from pipeline.core.probe.settings import Probe
from pipeline.core.probe.tally import ProbeTotals, Tally, describe_failures
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.times import format_duration
from pipeline.core.validation.phases import BACK, DETACHED, HOLD

PROBED: Final = frozenset({Kind.PROMOTE, Kind.ROLLBACK, Kind.REBUILD})
"""The deployments that move traffic."""
DECIDED: Final = frozenset({Kind.PROMOTE, Kind.REBUILD})
"""Those that a failure ends: a rollback leaves a release that may be the one that fails."""
TESTS = 20
"""Answers of the new release before traffic moves; of more members, one of each."""
LONGEST_TEST = 30.0
"""Seconds in which they are sent; a low rate sends fewer."""
USUAL_WAIT = 1.0
"""Seconds after which a request without an answer keeps a phase from ending."""


FIRST: Final = frozenset({"attach", "shift"})
"""Phases in which a first release gets traffic: it does not answer before they end."""


def url_in(phase: Phase, deployment: Deployment, probe: Probe) -> str:
    """Return the URL that is requested in a phase, or that of each member; empty for none.

    There is none while no release has traffic, and while the old version has all of it on the way
    forward. Before that, a test listener reaches the new version, or its members are requested.
    """
    fleet, green = phase.want, deployment.green
    if phase.name == "verify":
        return (probe.test_url if fleet.tested == green else "") or probe.member_url
    answering = {each for each in fleet.serving if not fleet.shares or fleet.shares.get(each)}
    if phase.has(BACK):
        return probe.url if answering else ""
    if green not in answering or (phase.name in FIRST and fleet.serving == {green}):
        return ""
    return probe.url


@dataclass(kw_only=True)
class ProbeSignal(Signal):
    """The probe of one run of a deployment.

    `keep` stores a file of the deployment and returns its location. `addresses` returns the private
    addresses of green's members, and `start_limit` is how long they may take for a first expected
    answer, in real seconds. `clock` returns monotonic seconds, those of the results; `sleep`
    waits for such seconds and raises KeyboardInterrupt.
    """

    prober: Prober
    tally: Tally
    report: Report
    keep: Callable[[str, str], str]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    addresses: Callable[[], Sequence[str]]
    start_limit: float
    always: bool = True
    _blamed: set[str] = field(default_factory=set, init=False)
    _over: dict[str, float] = field(default_factory=dict, init=False)
    _tested: tuple[str, ...] = field(default=(), init=False)
    _late: dict[str, str] = field(default_factory=dict, init=False)
    _ended: bool = field(default=False, init=False)

    def begin(self, phase: Phase, deployment: Deployment) -> Deployment:
        """Send the requests where the phase needs them.

        Raises RefusedError if AWS does not list the members to request.
        """
        counted = self._counted(deployment)
        if deployment.kind in DECIDED and not phase.has(HOLD):
            self._blamed.add(phase.name)
        self._late = {}
        urls = self._urls(phase, deployment)
        self.prober.send(urls, phase.name)
        decides = deployment.kind in DECIDED and not self.tally.totals.ignored
        self._tested = urls if decides and phase.has(DETACHED) else ()
        return counted

    def _urls(self, phase: Phase, deployment: Deployment) -> tuple[str, ...]:
        probe = self.tally.probe
        url = url_in(phase, deployment, probe)
        if url and url == probe.member_url:
            urls = probe.urls_of(self.addresses())
            self._late = {urlsplit(each).netloc: "no answer yet" for each in urls}
            return urls
        return (url,) if url else ()

    def finish(self) -> None:
        """Wait for enough answers before traffic moves; raises FailedError for a failure."""
        if not self._tested:
            return
        url = self._tested[0] if len(self._tested) == 1 else self.tally.probe.member_url
        self._await_start(url)
        probe, before = self.tally.probe, self.tally.totals.requests
        wanted = max(TESTS, len(self._tested))
        until = self.clock() + min(wanted / probe.rate, LONGEST_TEST) + probe.timeout
        self._count()
        while self.tally.totals.requests < before + wanted and self.clock() < until:
            self.sleep(0.1)
            self._count()
        if reason := self.tally.excess(self.clock()):
            raise FailedError(f"probe of {url}", reason, "")

    def _await_start(self, url: str) -> None:
        """Wait until each member has given an expected answer: its service may start late."""
        until, told = self.clock() + self.start_limit, False
        while self._late:
            if self.clock() >= until:
                limit = format_duration(self.start_limit)
                reason = f"gave up after {limit}: {next(iter(self._late.values()))}"
                raise FailedError(f"probe of {url}", reason, "")
            if not told:
                text = f"the probe waits for the first answer of {', '.join(self._late)}"
                self.report(Message(text=text))
                told = True
            self.sleep(0.1)
            self._count()

    def judge(self, moment: Moment) -> Verdict:
        """Fail if too many requests have failed; wait for the answer to one that is late."""
        self._count()
        self._tell()
        now = self.clock()
        if reason := self.tally.excess(now):
            return Failed(reason=reason)
        if not moment.over:
            self._over.pop(moment.phase, None)
            return Healthy()
        since = self._over.setdefault(moment.phase, now)
        waited = self.prober.oldest()
        if waited > USUAL_WAIT and now - waited < since:
            return Progressing(reason=f"the probe waits for an answer ({waited:.0f}s)")
        return Healthy()

    def end(self, deployment: Deployment) -> Deployment:
        """Stop the requests, and keep the first failing answers."""
        if self._ended:
            return deployment
        self._ended = True
        self.prober.stop()
        self._count()
        if self.tally.first:
            self.tally.totals = replace(self.tally.totals, file=self._kept())
        return self._counted(deployment)

    def _kept(self) -> str:
        try:
            return self.keep("probe.txt", describe_failures(self.tally))
        except PipelineError as error:
            self.report(Message(text=f"probe.txt is not kept: {error.where}: {error.what}"))
            return ""

    def _count(self) -> None:
        before = len(self.tally.first)
        results = [each for each in self.prober.take() if self._counts(each)]
        self.tally.add(results, self._blamed, unsent=self.prober.take_unsent())
        if self.tally.first and not before:
            first = self.tally.first[0]
            text = f"the probe's first failed request, in {first.phase}: {first.failure}"
            self.report(Message(text=text))

    def _counts(self, result: Result) -> bool:
        """Return False for a failure of a member that has not yet given an expected answer."""
        if result.member in self._late:
            if result.failure:
                self._late[result.member] = result.failure
                return False
            del self._late[result.member]
        return True

    def _counted(self, deployment: Deployment) -> Deployment:
        self._count()
        if self.tally.totals.requests:
            self._tell()
        return replace(deployment, probe=self.tally.totals)

    def _tell(self) -> None:
        self.report(ProbeCounted(totals=self.tally.totals, answers=self.tally.answers))


def totals_of(deployment: Deployment) -> ProbeTotals:
    """Return the totals that a run begins with: those of the deployment's earlier runs."""
    return deployment.probe or ProbeTotals()
