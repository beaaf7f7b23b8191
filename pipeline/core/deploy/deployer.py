"""Run a deployment: one phase after another, and the way back if one fails.

A failure is a value here. An error of Terraform or AWS, a hook, a time limit, an unhealthy group
or Ctrl-C ends a phase; one place catches it and makes it a `PhaseFailure`. The phase's row in the
table says what follows. The way back is the same loop over another table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.hook_runner import HookRunner
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phases import Phase, rollback
from pipeline.core.deploy.polling import Timings
from pipeline.core.deploy.ports import Ledger, Pace
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.signals import Moment, Signal, combined
from pipeline.core.errors import PipelineError
from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Message,
    PhaseBegan,
    PhaseEnded,
    Report,
    RollbackBegan,
    Watched,
)
from pipeline.core.freshness import Write
from pipeline.core.health.assessment import Expected, all_healthy
from pipeline.core.health.observation import Observation
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.hooks.hook import NEVER_DECIDES, Point
from pipeline.core.hooks.points import points_of
from pipeline.core.state.deployment import (
    Delays,
    Deployment,
    Kind,
    Outcome,
    PhaseRun,
    Policy,
    Result,
)
from pipeline.core.state.environment import Environment
from pipeline.core.times import format_duration
from pipeline.core.validation.phases import CREATES, DELETES, DETACHED, DRAINS, HOLD


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFailure:
    """Why a phase failed, and the error's remedy; `interrupted` if a signal ended it.

    `stopped` if a second signal arrived before the first was answered: the deployment stops there.
    """

    reason: str
    remedy: str = ""
    interrupted: bool = False
    stopped: bool = False


@dataclass(kw_only=True)
class Deployer:
    """One deployment of one environment.

    `signals` are what may end a phase besides health. `read_delays` reads the delays of the load
    balancers in a phase that drains, unless the policy has them. `closing` is called at the end,
    while the deployment is still in flight: if this run dies in it, `recover` calls it again.
    `known` are the instances that were healthy during the deployment, with the time of the first
    observation that showed it.
    """

    reconciler: Reconciler
    deployment: Deployment
    report: Report
    signals: Sequence[Signal] = ()
    read_delays: Callable[[], Delays] = Delays
    closing: Callable[[Outcome], None] = lambda _: None
    known: dict[str, float] = field(default_factory=dict)
    _launched: float | None = field(default=None, init=False)
    _ready: float = field(default=0.0, init=False)
    _is_blue_observed: bool = field(default=False, init=False)
    _unhealthy_blue: Observation | None = field(default=None, init=False)
    _evidence_of_blue: str = field(default="", init=False)
    _failed: Outcome | None = field(default=None, init=False)
    _hook_errors: list[str] = field(default_factory=list, init=False)

    def run(
        self, phases: Sequence[Phase], success: Result = Result.PROMOTED, *, undone: str = ""
    ) -> Deployment:
        """Perform the phases, roll back if one fails, and return the deployment as it ended.

        `success` is the result if every phase is performed; `undone` says what is wrong even then.
        Raises only what the ledger raises: the lease is lost, or the store does not answer.
        """
        names = tuple(phase.name for phase in phases)
        self.report(DeploymentBegan(deployment=self.deployment, phases=names))
        outcome = self._perform_all(phases, Outcome(result=success, rollback_error=undone))
        self.reconciler.resources.forget()
        if outcome.result is not Result.NEEDS_ATTENTION:
            self._attempt(self._settle)
        if not (outcome.interrupted and outcome.result is Result.NEEDS_ATTENTION):
            is_promoted = outcome.result is Result.PROMOTED
            self._run_hooks([Point.AFTER if is_promoted else Point.ON_FAILURE], outcome)
        outcome = replace(outcome, hook_errors=tuple(self._hook_errors))
        self.closing(outcome)
        today = self._pace.today()
        self.deployment = replace(self.deployment, outcome=outcome, ended=today)
        self._ledger.record(self.deployment)
        self._ledger.update(lambda document: document.closed(self.deployment))
        self.report(DeploymentEnded(deployment=self.deployment))
        return self.deployment

    def _settle(self) -> None:
        """Wait until every observation shows the changes of traffic: the next run relies on it."""
        settled = self._observer.writes.all_settled(Write.ATTACH, Write.DETACH)
        if (left := settled - self._pace.now()) >= 1:
            what = "sizes" if self._observer.place.is_worker else "changes of traffic"
            text = f"waiting until every read of AWS shows the {what}"
            self.report(Message(text=f"{text}: {format_duration(round(left))}"))
        self._observer.wait_until(settled)

    @property
    def _observer(self) -> Observer:
        return self.reconciler.observer

    @property
    def _ledger(self) -> Ledger:
        return self.reconciler.ledger

    @property
    def _pace(self) -> Pace:
        return self.reconciler.pace

    @property
    def _policy(self) -> Policy:
        return self.reconciler.policy

    def _run_hooks(self, points: Iterable[Point], outcome: Outcome | None = None) -> None:
        """Run the hooks of these points in order; raises the error of one that decides."""
        runner = HookRunner(reconciler=self.reconciler, report=self.report)
        for hook in runner.select(points, self.deployment):
            run = partial(runner.run, hook, self.deployment, outcome)
            if hook.at not in NEVER_DECIDES:
                run()
            elif failure := self._attempt(run):
                self._hook_errors.append(failure.reason)

    def _perform_all(self, phases: Sequence[Phase], success: Outcome) -> Outcome:
        for phase in phases:
            failure = self._perform(phase, phases)
            if failure is None:
                continue
            if phase.has(HOLD) or failure.stopped:
                return _outcome(Result.NEEDS_ATTENTION, phase, failure)
            return self._roll_back(phase, failure)
        return replace(success, evidence=self._evidence_of_blue)

    def _roll_back(self, failed: Phase, failure: PhaseFailure) -> Outcome:
        """Keep evidence of the failure, then undo everything up to the phase that failed."""
        outcome = _outcome(Result.ROLLED_BACK, failed, failure)
        if not failure.interrupted:
            outcome = replace(outcome, evidence=self._evidence(self.deployment.green))
        self._failed = outcome
        phases = self._way_back(failed.want)
        names = tuple(phase.name for phase in phases)
        self.report(RollbackBegan(reason=failure.reason, phases=names))
        for phase in phases:
            if second := self._perform(phase, phases):
                why = f"{phase.name}: {second.reason}"
                return replace(
                    outcome,
                    result=Result.NEEDS_ATTENTION,
                    rollback_error=why,
                    remedy=second.remedy,
                )
        self._run_hooks(points_of(names)[-1], outcome)
        return outcome

    def _way_back(self, fleet: Fleet) -> list[Phase]:
        blue, green = self.deployment.blue, self.deployment.green
        phases = rollback(blue, green, fleet, self.reconciler.manner)
        if self.deployment.keep_failed:
            return [phase for phase in phases if not phase.has(DELETES)]
        return phases

    def _perform(self, phase: Phase, phases: Sequence[Phase]) -> PhaseFailure | None:
        """Run one of these phases to its end; return why it failed."""
        limit = self._policy.limit(phase.name)
        self.report(PhaseBegan(name=phase.name, limit=limit))
        began = self._pace.clock()
        failure = self._attempt(lambda: self._run_phase(phase, phases))
        seconds = self._pace.clock() - began
        run = PhaseRun(name=phase.name, seconds=seconds, fault=failure.reason if failure else "")
        self.deployment = replace(self.deployment, phases=(*self.deployment.phases, run))
        self.report(PhaseEnded(run=run))
        return failure

    def _attempt(self, action: Callable[[], None]) -> PhaseFailure | None:
        """Run an action; return what it raised as a failure. The only `except` of this module."""
        try:
            self._pace.sleep(0)  # raises if a signal arrived in between
            action()
        except KeyboardInterrupt:
            failure = PhaseFailure(reason="interrupted by a signal", interrupted=True)
        except _GateError as error:
            failure = PhaseFailure(reason=str(error))
        except PipelineError as error:
            failure = PhaseFailure(reason=f"{error.where}: {error.what}", remedy=error.remedy)
        except Exception as error:  # noqa: BLE001 - the service matters more than our bug
            failure = PhaseFailure(reason=f"{type(error).__name__}: {error}")
        else:
            return None
        # One signal beside a failure asks for the same, the way back, and must not end that, too.
        if self._pace.answer_signals() > 1:
            return replace(failure, interrupted=True, stopped=True)
        return failure

    def _run_phase(self, phase: Phase, phases: Sequence[Phase]) -> None:
        self._enter(phase)
        points = points_of([each.name for each in phases])[phases.index(phase)]
        self._run_hooks(points, self._failed)
        if self.deployment.kind is Kind.ROLLBACK and self.deployment.blue:
            self._keep_evidence_of_blue(phase)
        self.reconciler.apply(phase)
        if phase.has(DRAINS) and phases[-1].has(DELETES):
            self.reconciler.prepare_deletion(phases[-1])
        if phase.has(CREATES):
            self._launched = self._pace.now()
        if phase.gate.observes:
            self._await(phase, self._limit(phase))
        if phase.gate.measures_ready and self._launched is not None:
            self._ready = self._pace.now() - self._launched

    def _limit(self, phase: Phase) -> float:
        """Return the limit of a phase that waits; one that drains needs the delays for it."""
        configured = self._policy.limit(phase.name)
        if not phase.has(DRAINS) or self._policy.delays.drain:
            return configured
        self.reconciler.policy = replace(self._policy, delays=self.read_delays())
        limit, drain = self._policy.limit(phase.name), self._policy.delays.drain
        if limit > configured:
            is_worker = self._observer.place.is_worker
            why = "a termination hook may hold an instance for" if is_worker else "draining takes"
            text = f"{why} {format_duration(drain)}: the limit of {phase.name} is "
            self.report(Message(text=text + format_duration(limit)))
        return limit

    def _enter(self, phase: Phase) -> None:
        """Record the beginning of a phase, and the decision for green if it makes one."""
        self.deployment = replace(self.deployment, phase=phase.name)
        decides = phase.decides(self.deployment.green)
        stops_blue = phase.has(DRAINS) and phase.want.serving == {self.deployment.green}
        if decides or (stops_blue and self._observer.place.is_worker):
            self._decide_limits()
        today, keep = self._pace.today(), self._policy.keep

        def entered(document: Environment) -> Environment:
            if decides:
                document = document.promoted(
                    self.deployment, keep=keep, today=today, ready=self._ready
                )
            return replace(document, deployment=self.deployment)

        self._ledger.update(entered)
        if decides and self.deployment.after:
            self.reconciler.sizes.set_limits(self.deployment.green, self.deployment.after)

    def _decide_limits(self) -> None:
        """Note the size that green's group gets, once: blue is emptied afterwards."""
        green, after, document = self.deployment.green, self.deployment.after, self._ledger.read()
        if not after and document.serving != green:
            blue = document.releases.get(self.deployment.blue)
            # The pipeline stopped the workers: no person or schedule set that size.
            known = replace(self.deployment, blue="") if blue and blue.stopped else self.deployment
            after = self.reconciler.sizes.limits_at_end(known)
        self.deployment = replace(self.deployment, after=after)

    def _await(self, phase: Phase, limit: float) -> None:
        """Wait until the gate passes; raises _GateError if it cannot, or not in time."""
        watcher = GateWatcher.begin(
            phase.gate,
            document=self._ledger.read(),
            place=self._observer.place,
            policy=self._patient_policy(phase),
            limit=limit,
            known=self.known,
            writes=self._observer.writes,
        )
        watcher.wait.forecast = phase.gate.forecast(self._timings())
        watcher.wait.empty_before = self.deployment.empty_before
        deadline = max(self._pace.now() + limit, watcher.settled)
        while True:
            watcher.add(self._observer.watch(watcher))
            self.reconciler.attach_again(phase, watcher.latest)
            verdict = self._judge(watcher, phase)
            reason = "" if isinstance(verdict, Healthy) else verdict.reason
            self.report(Watched(phase=phase.name, waiting=reason, observation=watcher.latest))
            match verdict:
                case Healthy():
                    return
                case Failed():
                    raise _GateError(reason)
                case Progressing() if self._pace.now() >= deadline:
                    raise _GateError(f"gave up after {format_duration(limit)}: {reason}")
            if target := watcher.size_target:
                self.reconciler.sizes.grow(target.release, target.least, watcher.latest)
            self._observer.wait_for_next(watcher, deadline)

    def _judge(self, watcher: GateWatcher, phase: Phase) -> Verdict:
        """Return the verdict of the gate and of the signals that may end the phase."""
        verdict = watcher.judge()
        moment = Moment(
            deployment=self.deployment,
            phase=phase.name,
            policy=self._policy,
            began=watcher.wait.began,
            at=watcher.latest.at,
            over=isinstance(verdict, Healthy),
        )
        has_traffic = not phase.has(HOLD) and not phase.has(DETACHED)
        asked = (
            each
            for each in self.signals
            if phase.gate.reads_signals or (each.always and has_traffic)
        )
        return combined(verdict, asked, moment)

    def _patient_policy(self, phase: Phase) -> Policy:
        """Return the policy of a wait: on the way back, a lack of capacity only ends with it."""
        return replace(self._policy, patience=inf) if phase.has(HOLD) else self._policy

    def _timings(self) -> Timings:
        blue = self._ledger.read().releases.get(self.deployment.blue)
        since = None if self._launched is None else self._pace.now() - self._launched
        ready = blue.ready if blue else None
        return Timings(drain=self._policy.delays.drain, ready=ready, since_launch=since)

    def _keep_evidence_of_blue(self, phase: Phase) -> None:
        """Store the evidence about an unhealthy release that a rollback leaves, before it goes.

        It is observed before it loses its traffic; its consoles are read after that, because a
        rollback must not wait for them.
        """
        blue = self.deployment.blue
        if not self._is_blue_observed:
            self._is_blue_observed = True
            self._unhealthy_blue = self._observe_unhealthy(blue)
        if self._unhealthy_blue and blue not in phase.want.all:
            self._evidence_of_blue = self._evidence(blue, self._unhealthy_blue)
            self._unhealthy_blue = None

    def _observe_unhealthy(self, release: str) -> Observation | None:
        """Return an observation of a release with its targets; None if it is healthy."""
        balancers, seen = self._observer.place.balancers, self._observer.latest
        if seen is None or any(each.identifier not in seen.targets for each in balancers):
            seen = self._observer.observe({release})
        expected = Expected(
            group=self._observer.group(release),
            balancers=balancers,
            any_version=release in self._ledger.read().adopted,
        )
        healthy = isinstance(all_healthy(expected, (seen,), in_a_row=1), Healthy)
        return None if healthy else seen

    def _evidence(self, release: str, seen: Observation | None = None) -> str:
        """Store the evidence about a release; return its location, or why there is none."""
        kept: list[str] = []

        def keep() -> None:
            of = frozenset({release})
            observation = seen or self._observer.observe(of, activities=of)
            group = self._observer.group(release)
            text = self._observer.groups.evidence(group, observation)
            kept.append(self._ledger.keep("evidence.txt", text))

        failure = self._attempt(keep)
        return kept[0] if kept else f"none: {failure.reason if failure else ''}"


class _GateError(Exception):
    """The gate of a phase cannot pass, or did not in time."""


def _outcome(result: Result, phase: Phase, failure: PhaseFailure) -> Outcome:
    return Outcome(
        result=result,
        phase=phase.name,
        reason=failure.reason,
        interrupted=failure.interrupted,
        remedy=failure.remedy,
    )
