"""Run a deployment: one phase after another, and the way back if one fails.

A failure is a value here. An error of Terraform or AWS, a hook, a time limit, an unhealthy group
or Ctrl-C ends a phase; one place catches it and makes it a `PhaseFailure`. The phase's row in the
table says what follows. The way back is the same loop over another table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from pipeline.core.deploy.evidence import EvidenceKeeper
from pipeline.core.deploy.hook_runner import HookRunner, over
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import Fleet, Phase, PhaseFailure
from pipeline.core.deploy.ports import Ledger, Pace
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.signals.base import Signal
from pipeline.core.deploy.waiting import GateError, PhaseWait
from pipeline.core.deploy.ways_back import drill_end, rollback
from pipeline.core.errors import PipelineError
from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Message,
    PhaseBegan,
    PhaseEnded,
    Report,
    RollbackBegan,
)
from pipeline.core.freshness import Write
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
from pipeline.core.validation.phases import BACK, CREATES, DELETES, DRAINS, HOLD, RESTORES


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
    _failed: Outcome | None = field(default=None, init=False)
    _over: tuple[str, ...] = field(default=(), init=False)
    _hook_errors: list[str] = field(default_factory=list, init=False)

    def run(
        self,
        phases: Sequence[Phase],
        success: Result = Result.PROMOTED,
        *,
        undone: str = "",
        check: Phase | None = None,
    ) -> Deployment:
        """Perform the phases, roll back if one fails, and return the deployment as it ended.

        `success` is the result if every phase is performed; `undone` says what is wrong even then.
        It stops before a phase that it pauses before. `check` is a phase that is over and must
        still hold before the first one begins: a signal in it raises KeyboardInterrupt.
        Raises only what the ledger raises: the lease is lost, or the store does not answer.
        """
        first = [check] if check else []
        names = tuple(each.name for each in (*first, *phases) if not each.gate.is_later)
        self._over = over(self.deployment, phases)
        self.report(DeploymentBegan(deployment=self.deployment, phases=names))
        performed = Outcome(result=success, rollback_error=undone)
        try:
            outcome = self._perform_all(phases, performed, check)
            self.reconciler.resources.forget()
            # With a pending removal, the next run doubts every read by itself.
            open_ended = outcome.result in {Result.NEEDS_ATTENTION, Result.PAUSED}
            if not (open_ended or outcome.pending):
                self._attempt(self._settle)
        finally:
            self._end_signals()
        return self._close(outcome)

    def _end_signals(self) -> None:
        for signal in self.signals:
            self.deployment = signal.end(self.deployment)

    def _close(self, outcome: Outcome) -> Deployment:
        if outcome.result is Result.PAUSED:
            self._pause(outcome)
        else:
            self._end(outcome)
        self._ledger.record(self.deployment)
        self._ledger.update(self._closed)
        self.report(DeploymentEnded(deployment=self.deployment))
        return self.deployment

    def _end(self, outcome: Outcome) -> None:
        # A person who stopped the deployment waits for nothing more.
        if not (outcome.interrupted and outcome.result is Result.NEEDS_ATTENTION):
            is_promoted = outcome.result is Result.PROMOTED
            self._run_hooks([Point.AFTER if is_promoted else Point.ON_FAILURE], outcome)
        outcome = replace(outcome, hook_errors=tuple(self._hook_errors))
        self.closing(outcome)
        self.deployment = replace(self.deployment, outcome=outcome, ended=self._pace.today())

    def _pause(self, outcome: Outcome) -> None:
        """Note that the deployment waits for a person; a plan of Terraform would be outdated."""
        if prepared := self.reconciler.prepared:
            self.reconciler.resources.discard(prepared)
        pause = self._policy.pauses.begin(outcome.phase, self._pace.today())
        pauses = (*self.deployment.pauses, pause)
        self.deployment = replace(self.deployment, outcome=outcome, pauses=pauses)

    def _closed(self, document: Environment) -> Environment:
        """Return the document after the run; after a pause, another run does not know `ready`."""
        green = document.releases.get(self.deployment.green)
        if self.deployment.pause and green and self._ready:
            document = document.with_release(replace(green, ready=self._ready))
        return document.closed(self.deployment)

    def _settle(self) -> None:
        """Wait until every observation shows the changes of traffic: the next run relies on it."""
        settled = self._observer.writes.all_settled(Write.ATTACH, Write.DETACH, Write.SHIFT)
        if (left := settled - self._pace.now()) >= 1:
            what = "sizes" if self._observer.place.is_worker else "changes of traffic"
            text = f"waiting until every read of AWS shows the {what}"
            self.report(Message(text=f"{text}: {format_duration(round(left))}"))
        self._observer.wait_until(settled)

    @cached_property
    def _evidence(self) -> EvidenceKeeper:
        return EvidenceKeeper(
            observer=self._observer,
            ledger=self._ledger,
            attempt=lambda action: failed.reason if (failed := self._attempt(action)) else "",
        )

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

    def _perform_all(
        self, phases: Sequence[Phase], success: Outcome, check: Phase | None
    ) -> Outcome:
        if check and (failure := self._perform(check, phases, is_over=True)):
            if failure.interrupted:
                raise KeyboardInterrupt
            return self._roll_back(check, failure)
        before = check
        restores = any(phase.has(RESTORES) for phase in phases)
        for phase in phases:
            if self.deployment.pauses_before(phase.name) and not restores:
                # A signal in the last moment goes back, as it does in a phase.
                if failure := self._attempt(self._settle):
                    return self._roll_back(before or phase, failure)
                return Outcome(result=Result.PAUSED, phase=phase.name)
            before = phase
            failure = self._perform_to_its_end(phase, phases)
            if failure is None:
                continue
            if phase.has(HOLD) or failure.stopped:
                return failure.outcome(Result.NEEDS_ATTENTION, phase)
            return self._roll_back(phase, failure)
        pending = [name for each in phases if each.gate.is_later for name in each.gate.releases]
        evidence = self._evidence.of_blue
        return replace(success, evidence=evidence, pending=tuple(sorted(pending)))

    def _perform_to_its_end(self, phase: Phase, phases: Sequence[Phase]) -> PhaseFailure | None:
        """Run a phase; again after one signal in the removal that ends a drill."""
        failure = self._perform(phase, phases)
        removes = self.deployment.kind is Kind.DRILL and phase.has(BACK)
        if failure and failure.interrupted and not failure.stopped and removes:
            return self._perform(phase, phases)
        return failure

    def _roll_back(self, failed: Phase, failure: PhaseFailure) -> Outcome:
        """Keep evidence of the failure, then undo everything up to the phase that failed."""
        outcome = failure.outcome(Result.ROLLED_BACK, failed)
        # The gate of `attach` is the first one that notes healthy members, those of green.
        outcome = replace(outcome, unserved=failed.name == "attach" and not self.known)
        if not failure.interrupted:
            kept = self._evidence.keep(self.deployment.green)
            outcome = replace(outcome, evidence=kept.where, last_lines=kept.lines)
        self._failed, self._over = outcome, ()
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
        blue, green, how = self.deployment.blue, self.deployment.green, self.reconciler.manner
        if self.deployment.kind is Kind.DRILL:
            others = fleet.all - {blue, green}
            return drill_end(blue, green, others, how, warm=self.deployment.warm)
        phases = rollback(blue, green, fleet, how)
        if self.deployment.keep_failed:
            return [phase for phase in phases if not phase.has(DELETES)]
        return phases

    def _perform(
        self, phase: Phase, phases: Sequence[Phase], *, is_over: bool = False
    ) -> PhaseFailure | None:
        """Run one of these phases to its end, or check one that is over; return why it failed."""
        if phase.gate.is_later:
            return self._attempt(partial(self._enter_fully, phase, phases))
        limit = self._policy.limit(phase.name)
        self.report(PhaseBegan(name=phase.name, limit=limit))
        began, today = self._pace.clock(), self._pace.today()
        run_it = partial(self._check, phase) if is_over else partial(self._run_phase, phase, phases)
        failure = self._attempt(run_it)
        seconds = self._pace.clock() - began
        fault = failure.reason if failure else ""
        run = PhaseRun(name=phase.name, seconds=seconds, fault=fault, began=today)
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
        except GateError as error:
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

    def _enter_fully(self, phase: Phase, phases: Sequence[Phase]) -> None:
        self._enter(phase)
        names = (*self._over, *(each.name for each in phases))
        points = points_of(names)[len(self._over) + phases.index(phase)]
        self._run_hooks(points, self._failed)

    def _run_phase(self, phase: Phase, phases: Sequence[Phase]) -> None:
        self._enter_fully(phase, phases)
        if self.deployment.kind is Kind.ROLLBACK and self.deployment.blue:
            self._evidence.keep_of_blue(self.deployment.blue, phase)
        self.reconciler.apply(phase)
        if phase.has(DRAINS) and phases[-1].has(DELETES) and not phases[-1].gate.is_later:
            self.reconciler.prepare_deletion(phases[-1])
        if phase.has(CREATES):
            self._launched = self._pace.now()
        if phase.gate.observes:
            self._await(phase, self._limit(phase))
        for signal in self.signals:
            signal.finish()
        if phase.gate.measures_ready and self._launched is not None:
            self._ready = self._pace.now() - self._launched

    def _check(self, phase: Phase) -> None:
        """Wait until a phase that is over holds again; what it did is not repeated or recorded."""
        policy = self._policy
        self.reconciler.policy = policy.without_waits()
        try:
            if phase.gate.observes:
                self._await(phase, self._policy.limit(phase.name))
        finally:
            self.reconciler.policy = policy

    def _limit(self, phase: Phase) -> float:
        """Return the limit of a phase that waits; some need the delays for it."""
        configured = self._policy.limit(phase.name)
        if not phase.gate.needs_delays or self._policy.delays.drain:
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
        for signal in self.signals:
            self.deployment = signal.begin(phase, self.deployment)
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
            if phase.gate.is_later:
                document = document.with_pending_removal(phase.gate.releases, today)
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
        PhaseWait(
            reconciler=self.reconciler,
            signals=self.signals,
            report=self.report,
            deployment=self.deployment,
            known=self.known,
            launched=self._launched,
        ).run(phase, limit)
