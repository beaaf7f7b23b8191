"""The probe in whole deployments: what it sends in each phase, and what a failure means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from pipeline.core.deploy.phase import Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ports import Prober
from pipeline.core.deploy.signals.base import Moment
from pipeline.core.deploy.signals.probe import ProbeSignal, url_in
from pipeline.core.errors import FailedError, LeaseHeldError
from pipeline.core.events import Event, Message, PhaseEnded, ProbeCounted
from pipeline.core.health.verdict import Healthy, Progressing
from pipeline.core.probe.expectation import Result as ProbeResult
from pipeline.core.probe.settings import Probe, Tolerance
from pipeline.core.probe.tally import ProbeTotals, Tally
from pipeline.core.state.deployment import Deployment, Kind, Policy, Result
from pipeline.core.state.strategy import Step
from tests.core.deploy.fakes import BLUE, GREEN, FakeCloud, begin, cloud

URL = "https://www.example.com/orders"
BAD = "HTTP 500, expected 200-299"


@dataclass
class FakeProber(Prober):
    """Answers ten requests whenever it is asked; those of `bad` phases fail."""

    bad: frozenset[str] = frozenset()
    each: int = 10
    booting: int = 0
    asked: int = 0
    waited: float = 0.0
    sent: dict[str, str] = field(default_factory=dict)
    stopped: int = 0
    phase: str = ""

    def send(self, urls: tuple[str, ...], phase: str) -> None:
        self.sent[phase] = " ".join(urls)
        self.phase = phase if urls else ""

    def take(self) -> Sequence[ProbeResult]:
        failure = BAD if self.phase in self.bad else ""
        result = ProbeResult(phase=self.phase, sent=1.0, failure=failure)
        if not self.phase or "10.0.0.7" not in self.sent[self.phase]:
            return [result] * (self.each if self.phase else 0)
        self.asked += 1
        members = (replace(result, member=each) for each in ("10.0.0.7:8080", "10.0.0.8:8080"))
        if self.asked <= self.booting:
            members = (replace(each, failure="Connection refused") for each in members)
        return [*members] * (self.each // 2)

    def take_unsent(self) -> int:
        return 0

    def oldest(self) -> float:
        return self.waited

    def stop(self) -> None:
        self.stopped += 1


@dataclass
class Run:
    """A promotion with a probe."""

    prober: FakeProber
    fake: FakeCloud
    done: Deployment
    events: list[Event]

    @property
    def totals(self) -> ProbeTotals:
        assert self.done.probe is not None
        return self.done.probe

    @property
    def result(self) -> Result | None:
        return self.done.outcome.result if self.done.outcome else None


def a_signal(
    prober: FakeProber, fake: FakeCloud, events: list[Event], totals: ProbeTotals, limit: int = 0
) -> ProbeSignal:
    tally = Tally(probe=Probe(url=URL, tolerance=Tolerance(failures=limit)), totals=totals)
    return ProbeSignal(
        prober=prober,
        tally=tally,
        report=events.append,
        keep=fake.keep,
        clock=fake.now,
        sleep=fake.sleep,
        addresses=lambda: ("10.0.0.7", "10.0.0.8"),
        start_limit=60.0,
    )


def run(
    *bad: str,
    kind: Kind = Kind.PROMOTE,
    blue: str = BLUE,
    limit: int = 0,
    totals: ProbeTotals | None = None,
) -> Run:
    fake = cloud(blue=bool(blue))
    prober, events = FakeProber(bad=frozenset(bad)), list[Event]()
    deployer = begin(fake, blue=blue)
    deployer.deployment = replace(deployer.deployment, kind=kind, probe=totals)
    deployer.signals = [a_signal(prober, fake, events, totals or ProbeTotals(), limit)]
    done = deployer.run(promotion(blue, GREEN))
    assert fake.outages == []
    return Run(prober=prober, fake=fake, done=done, events=events)


def test_requests_are_sent_from_attach_on_and_a_good_release_shows_its_totals() -> None:
    seen = run()
    assert seen.prober.sent == {
        "launch": "",
        "verify": "",
        "attach": URL,
        "soak": URL,
        "drain": URL,
        "observe": URL,
        "retire": URL,
    }
    assert seen.result is Result.PROMOTED
    assert seen.totals.requests >= 50
    assert (seen.totals.failures, seen.totals.file) == (0, "")
    assert seen.fake.recorded[-1].probe == seen.totals
    assert seen.prober.stopped == 1
    assert seen.fake.kept == {}


@pytest.mark.parametrize(
    ("blue", "first"),
    [(BLUE, "step-1"), ("", "retire")],
)
def test_behind_a_pair_requests_are_sent_once_green_gets_some(blue: str, first: str) -> None:
    deployment = begin(cloud()).deployment
    how = Manner(pairs=True, steps=(Step(seconds=1, weight=5),))
    phases = promotion(blue, GREEN, how=how)
    sent = [each.name for each in phases if url_in(each, deployment, Probe(url=URL))]
    names = [each.name for each in phases]
    assert sent == names[names.index(first) :]


TESTED = "http://www.example.com:8080/orders"


MEMBERS = "http://{address}:8080/orders"
"""Requested at each member's address, before traffic moves."""
THROUGH_TEST = Probe(url=URL, test_url=TESTED)
OF_MEMBERS = Probe(url=URL, member_url=MEMBERS)


def a_test_of(
    *bad: str, each: int = 10, booting: int = 0, pairs: bool = True, tests: Probe = THROUGH_TEST
) -> tuple[FakeProber, list[str]]:
    """Begin each phase of a promotion, behind a pair or not; return what raised."""
    fake, prober, raised = cloud(), FakeProber(bad=frozenset(bad), each=each), list[str]()
    prober.booting = booting
    signal = a_signal(prober, fake, [], ProbeTotals())
    signal.tally.probe = tests
    deployment = begin(fake).deployment
    for phase in promotion(BLUE, GREEN, how=Manner(pairs=pairs)):
        try:
            deployment = signal.begin(phase, deployment)
            signal.finish()
        except FailedError as error:
            raised.append(f"{phase.name}: {error.what}")
    return prober, raised


def test_the_test_listener_is_requested_before_traffic_moves() -> None:
    prober, raised = a_test_of()
    assert [prober.sent[each] for each in ("attach", "verify", "shift")] == ["", TESTED, URL]
    assert raised == []


def test_a_failure_through_the_test_listener_ends_the_deployment_before_traffic_moves() -> None:
    _, raised = a_test_of("verify")
    assert raised == [
        f"verify: the probe had 20 failed requests, at most 0 failures; the first: {BAD}"
    ]


@pytest.mark.parametrize("pairs", [True, False])
def test_each_member_is_requested_before_traffic_moves(*, pairs: bool) -> None:
    prober, raised = a_test_of(pairs=pairs, tests=OF_MEMBERS)
    assert prober.sent["launch"] == ""
    assert prober.sent["verify"] == "http://10.0.0.7:8080/orders http://10.0.0.8:8080/orders"
    assert prober.sent["soak" if not pairs else "shift"] == URL
    assert raised == []


def test_a_member_whose_service_starts_late_is_waited_for() -> None:
    prober, raised = a_test_of(booting=30, pairs=False, tests=OF_MEMBERS)
    assert raised == []
    assert prober.asked > 30


def test_a_member_that_never_gives_an_expected_answer_gets_no_traffic() -> None:
    _, raised = a_test_of("verify", pairs=False, tests=OF_MEMBERS)
    assert raised == [f"verify: gave up after 1m: {BAD}"]


@pytest.mark.parametrize(("kind", "ignored"), [(Kind.ROLLBACK, False), (Kind.PROMOTE, True)])
def test_members_that_never_answer_neither_end_nor_delay_what_the_probe_does_not_decide(
    kind: Kind, *, ignored: bool
) -> None:
    fake, prober = cloud(), FakeProber(bad=frozenset({"verify"}))
    signal = a_signal(prober, fake, [], ProbeTotals(ignored=ignored))
    signal.tally.probe = replace(signal.tally.probe, member_url=MEMBERS)
    phases = {each.name: each for each in promotion(BLUE, GREEN)}
    signal.begin(phases["verify"], replace(begin(fake).deployment, kind=kind))
    before = fake.now()
    signal.finish()
    assert fake.now() == before


def test_a_member_that_fails_after_its_first_answer_gets_no_traffic() -> None:
    fake, prober = cloud(), FakeProber()
    signal = a_signal(prober, fake, [], ProbeTotals())
    signal.tally.probe = replace(signal.tally.probe, member_url=MEMBERS)
    phases = {each.name: each for each in promotion(BLUE, GREEN)}
    deployment = signal.begin(phases["verify"], begin(fake).deployment)
    signal._count()
    prober.bad = frozenset({"verify"})
    with pytest.raises(FailedError) as caught:
        signal.finish()
    assert caught.value.where == f"probe of {MEMBERS}"
    assert caught.value.what.startswith("the probe had ")
    assert deployment.probe is not None


def test_a_test_listener_is_preferred_to_members() -> None:
    prober, _ = a_test_of(tests=replace(THROUGH_TEST, member_url=MEMBERS))
    assert prober.sent["verify"] == TESTED


def test_a_test_listener_that_never_answers_does_not_hang() -> None:
    _, raised = a_test_of(each=0)
    assert raised == []


def test_a_failed_request_rolls_back_and_the_first_answers_are_kept() -> None:
    seen = run("soak")
    outcome = seen.done.outcome
    assert outcome is not None
    assert (outcome.result, outcome.phase) == (Result.ROLLED_BACK, "soak")
    assert outcome.reason == (
        f"the probe had 10 failed requests, at most 0 failures; the first: {BAD}"
    )
    assert seen.totals.failures == seen.totals.blamed == 20  # one more observation
    assert seen.totals.file == "deployments/d/probe.txt"
    assert f"soak: {BAD}" in seen.fake.kept["probe.txt"]
    assert seen.prober.sent["detach"] == URL
    assert [each.text for each in seen.events if isinstance(each, Message)] == [
        f"the probe's first failed request, in soak: {BAD}"
    ]


def test_the_display_gets_the_totals_at_each_observation() -> None:
    counts = [each.totals.requests for each in run().events if isinstance(each, ProbeCounted)]
    assert counts == sorted(counts)
    assert len(counts) >= 5


def test_the_requests_of_the_way_back_are_told_too() -> None:
    seen = run("soak")
    told = [each.totals.requests for each in seen.events if isinstance(each, ProbeCounted)]
    assert told[-1] == seen.totals.requests


def test_failures_on_the_way_back_are_counted_only() -> None:
    seen = run("soak", "reattach", "detach")
    assert seen.result is Result.ROLLED_BACK
    assert seen.totals.failures > seen.totals.blamed > 0


def test_failures_in_retire_do_not_end_a_deployment_that_is_decided() -> None:
    seen = run("retire")
    assert seen.result is Result.PROMOTED
    assert seen.totals.failures > seen.totals.blamed == 0
    assert seen.totals.file == "deployments/d/probe.txt"


def test_a_few_failures_may_be_allowed() -> None:
    seen = run("soak", limit=1000)
    assert seen.result is Result.PROMOTED
    assert seen.totals.failures >= 10


def test_a_first_release_is_not_requested_before_it_answers() -> None:
    seen = run("attach", blue="")
    assert seen.prober.sent["attach"] == ""
    assert seen.prober.sent["soak"] == URL
    assert seen.result is Result.PROMOTED


def test_a_first_release_that_fails_leaves_nothing_to_request() -> None:
    seen = run("soak", blue="")
    assert seen.result is Result.ROLLED_BACK
    assert {seen.prober.sent[each] for each in ("detach", "delete")} == {""}


def test_a_rollback_is_counted_and_never_ended_because_the_bad_release_still_answers() -> None:
    seen = run("attach", "soak", kind=Kind.ROLLBACK)
    assert seen.result is Result.PROMOTED
    assert seen.totals.failures >= 20
    assert seen.totals.blamed == 0


def test_failures_decide_nothing_if_the_probe_failed_before_traffic_moved() -> None:
    seen = run("soak", totals=ProbeTotals(ignored=True))
    assert seen.result is Result.PROMOTED
    assert seen.totals.failures >= 10


def test_the_totals_of_an_earlier_run_are_added_to_and_its_failures_still_count() -> None:
    seen = run(totals=ProbeTotals(requests=1000, failures=1, blamed=1))
    assert seen.result is Result.ROLLED_BACK
    assert seen.totals.requests > 1000
    assert seen.totals.failures == 1


def test_the_totals_are_in_the_document_while_the_deployment_runs() -> None:
    fake = cloud()
    stored: list[ProbeTotals | None] = []
    deployer = begin(fake)
    signal = a_signal(FakeProber(), fake, [], ProbeTotals())
    deployer.signals = [signal]
    deployer.report = lambda _: stored.append(
        fake.document.deployment.probe if fake.document.deployment else None
    )
    deployer.run(promotion(BLUE, GREEN))
    counts = [each.requests for each in stored if each]
    assert counts == sorted(counts)
    assert counts[-1] > 30


def test_the_requests_end_even_if_the_lease_is_lost() -> None:
    fake, prober = cloud(), FakeProber()
    deployer = begin(fake)
    deployer.signals = [a_signal(prober, fake, [], ProbeTotals())]

    def lose(event: Event) -> None:
        if isinstance(event, PhaseEnded):
            raise LeaseHeldError("lease", "this run lost its lease", "ami-pipeline status")

    deployer.report = lose
    with pytest.raises(LeaseHeldError):
        deployer.run(promotion(BLUE, GREEN))
    assert prober.stopped == 1


def test_a_phase_does_not_end_while_an_answer_is_late() -> None:
    fake, prober = cloud(), FakeProber()
    signal = a_signal(prober, fake, [], ProbeTotals())
    deployment = begin(fake).deployment

    def at(seconds: float, *, over: bool = True) -> Moment:
        fake.time = seconds
        return Moment(
            deployment=deployment, phase="soak", policy=Policy(), began=0.0, at=0.0, over=over
        )

    prober.waited = 4.0
    late = signal.judge(at(100))
    assert late == Progressing(reason="the probe waits for an answer (4s)")
    prober.waited = 1.0
    assert signal.judge(at(101)) == Healthy()
    prober.waited = 3.0  # a request that was sent after the phase could have ended
    assert signal.judge(at(110)) == Healthy()
    assert signal.judge(at(111, over=False)) == Healthy()
