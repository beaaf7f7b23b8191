"""Runs a deployment: one phase after another, each to its end, and back where one goes wrong.

A fault is a value here. Terraform, AWS, a hook, the time, a doomed group, Ctrl-C: whatever ends
a phase is caught in one place and becomes a `PhaseFailure`, and the phase's own entry in the table says
what follows. Going back is the same loop over another list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.gates import GateWatcher
from pipeline.core.deploy.phases import (
    AllHealthy,
    AllInService,
    Deleted,
    Drained,
    HalfHealthy,
    Phase,
    Recovery,
    StaysHealthy,
    Verified,
    rollback,
)
from pipeline.core.deploy.polling import Forecast, as_last_time
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.errors import PipelineError
from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    PhaseBegan,
    PhaseEnded,
    Report,
    RollbackBegan,
    Watched,
)
from pipeline.core.health.verdict import Failed, Healthy, Progressing
from pipeline.core.state.deployment import Deployment, Outcome, PhaseRun, Result
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFailure:
    """What ended a phase before its time; `interrupted` where a signal did.

    `stopped` where a second one came before the first was answered: nothing more is to be done.
    """

    reason: str
    interrupted: bool = False
    stopped: bool = False


@dataclass(kw_only=True)
class Deployer:
    """One deployment in one world; `known` are the instances that were well at some time of it.

    `closing` is called at the end and while it still is in flight: what follows of an outcome is
    done again by whoever finishes the deployment of a run that died meanwhile.
    """

    world: Reconciler
    deployment: Deployment
    report: Report
    closing: Callable[[Outcome], None] = lambda _: None
    known: set[str] = field(default_factory=set)
    _launched: float | None = field(default=None, init=False)
    _ready: float = field(default=0.0, init=False)

    def run(
        self, phases: Sequence[Phase], success: Result = Result.PROMOTED, *, undone: str = ""
    ) -> Deployment:
        """Perform the phases, undo them where one says so; return the deployment as it ended.

        `success` is what it is called where every phase is performed, `undone` what is not well
        all the same. Raises only what the ledger raises, once the lease is lost or the store
        does not answer.
        """
        names = tuple(phase.name for phase in phases)
        self.report(DeploymentBegan(deployment=self.deployment, phases=names))
        outcome = self._forward(phases, Outcome(result=success, rollback_error=undone))
        self.world.resources.forget()
        self.closing(outcome)
        today = self.world.pace.today()
        self.deployment = replace(self.deployment, outcome=outcome, ended=today)
        self.world.ledger.record(self.deployment)
        self.world.ledger.update(lambda document: document.closed(self.deployment))
        self.report(DeploymentEnded(deployment=self.deployment))
        return self.deployment

    def _forward(self, phases: Sequence[Phase], success: Outcome) -> Outcome:
        for phase in phases:
            fault = self._perform(phase, phases)
            if fault is None:
                continue
            if phase.on_fault is Recovery.HOLD or fault.stopped:
                return _outcome(Result.NEEDS_ATTENTION, phase, fault)
            return self._back(phase, fault)
        return success

    def _back(self, failed: Phase, fault: PhaseFailure) -> Outcome:
        """Undo what was done up to a phase that failed, once there is evidence of why it did."""
        outcome = _outcome(Result.ROLLED_BACK, failed, fault)
        if not fault.interrupted:
            outcome = replace(outcome, evidence=self._evidence())
        phases = self._undoing(failed.want)
        names = tuple(phase.name for phase in phases)
        self.report(RollbackBegan(reason=fault.reason, phases=names))
        for phase in phases:
            if undone := self._perform(phase, phases):
                why = f"{phase.name}: {undone.reason}"
                return replace(outcome, result=Result.NEEDS_ATTENTION, rollback_error=why)
        return outcome

    def _undoing(self, fleet: Fleet) -> list[Phase]:
        phases = rollback(self.deployment.blue, self.deployment.green, fleet)
        if self.deployment.keep_failed:
            return [phase for phase in phases if not isinstance(phase.until, Deleted)]
        return phases

    def _perform(self, phase: Phase, phases: Sequence[Phase]) -> PhaseFailure | None:
        """Run one phase of these to its end; return what went wrong."""
        limit = self.world.policy.limit(phase.name)
        self.report(PhaseBegan(name=phase.name, limit=limit))
        began = self.world.pace.clock()
        fault = self._attempt(lambda: self._to_the_end(phase, phases, limit))
        seconds = self.world.pace.clock() - began
        run = PhaseRun(name=phase.name, seconds=seconds, fault=fault.reason if fault else "")
        self.deployment = replace(self.deployment, phases=(*self.deployment.phases, run))
        self.report(PhaseEnded(run=run))
        return fault

    def _attempt(self, action: Callable[[], None]) -> PhaseFailure | None:
        """Do something; return what went wrong rather than raising it. The only `except` here."""
        try:
            self.world.pace.sleep(0)  # where a signal shows that came in between
            action()
        except KeyboardInterrupt:
            fault = PhaseFailure(reason="interrupted by a signal", interrupted=True)
        except _UnfitError as error:
            fault = PhaseFailure(reason=str(error))
        except PipelineError as error:
            fault = PhaseFailure(reason=f"{error.where}: {error.what}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the service comes first
            fault = PhaseFailure(reason=f"{type(error).__name__}: {error}")
        else:
            return None
        # One signal says what the fault says already: go back. It must not end the way back, too.
        if self.world.pace.answer_signals() > 1:
            return replace(fault, interrupted=True, stopped=True)
        return fault

    def _to_the_end(self, phase: Phase, phases: Sequence[Phase], limit: float) -> None:
        self._enter(phase)
        self.world.bring_about(phase)
        if isinstance(phase.until, Drained) and isinstance(phases[-1].until, Deleted):
            self.world.prepare(phases[-1])
        if isinstance(phase.until, AllInService):
            self._launched = self.world.pace.now()
        if isinstance(phase.until, Verified):
            self.world.verify(self.deployment)
        else:
            self._await(phase, limit)
        if isinstance(phase.until, AllHealthy) and self._launched is not None:
            self._ready = self.world.pace.now() - self._launched

    def _enter(self, phase: Phase) -> None:
        """Record that a phase begins, and what is decided by its beginning."""
        self.deployment = replace(self.deployment, phase=phase.name)
        decided = isinstance(phase.until, Deleted) and phase.want.serving == {self.deployment.green}
        today, keep = self.world.pace.today(), self.world.policy.keep

        def entered(document: Environment) -> Environment:
            if decided:
                document = document.promoted(
                    self.deployment, keep=keep, today=today, ready=self._ready
                )
            return replace(document, deployment=self.deployment)

        self.world.ledger.update(entered)
        minimum = self.deployment.minimum
        if decided and minimum is not None:
            self.world.restore_minimum(self.deployment.green, minimum)

    def _await(self, phase: Phase, limit: float) -> None:
        """Return once it is so; raises _UnfitError where it never will be, or not in time."""
        pace = self.world.pace
        place, policy = self.world.place, self.world.policy
        watch = GateWatcher(phase, place, policy, self.known, self._forecast(phase))
        deadline = pace.now() + limit
        while True:
            watch.see(self.world.watch(watch))
            verdict = watch.judge(self._alarms(phase))
            reason = "" if isinstance(verdict, Healthy) else verdict.reason
            self.report(
                Watched(phase=phase.name, waiting=reason, observation=watch.observations[-1])
            )
            match verdict:
                case Healthy():
                    return
                case Failed():
                    raise _UnfitError(reason)
                case Progressing() if pace.now() >= deadline:
                    raise _UnfitError(f"gave up after {limit:.0f} s: {reason}")
            self._catch_up(phase, watch)
            self.world.rest(watch, deadline)

    def _forecast(self, phase: Phase) -> Forecast:
        """Return when a phase is likely to end, by what is known here."""
        if isinstance(phase.until, Drained):
            return Forecast(quiet=self.world.draining)
        blue = self.world.ledger.read().releases.get(self.deployment.blue)
        if not isinstance(phase.until, AllHealthy) or self._launched is None or blue is None:
            return Forecast()
        return as_last_time(blue.ready, gone=self.world.pace.now() - self._launched)

    def _catch_up(self, phase: Phase, watch: GateWatcher) -> None:
        """Raise who is to serve alone, so that it never takes over with less than serves now."""
        until = phase.until
        if isinstance(until, (AllHealthy, StaysHealthy)) and until.least:
            self.world.catch_up(until.release, watch.live(until.least), watch.observations[-1])
        elif isinstance(until, HalfHealthy) and (least := watch.needed(until)):
            self.world.catch_up(until.release, least, watch.observations[-1])

    def _alarms(self, phase: Phase) -> Sequence[str]:
        names = self.world.policy.alarms
        if not names or not isinstance(phase.until, StaysHealthy):
            return ()
        return self.world.alarms.ringing(names)

    def _evidence(self) -> str:
        """Keep what there is to read of green; return where, or why there is none."""
        kept: list[str] = []

        def keep() -> None:
            group = self.world.group(self.deployment.green)
            observation = self.world.observe(
                {self.deployment.green}, activities={self.deployment.green}
            )
            text = self.world.groups.evidence(group, observation)
            kept.append(self.world.ledger.keep("evidence.txt", text))

        fault = self._attempt(keep)
        return kept[0] if kept else f"none: {fault.reason if fault else ''}"


class _UnfitError(Exception):
    """What a phase waits for will not be; the phase says where."""


def _outcome(result: Result, phase: Phase, fault: PhaseFailure) -> Outcome:
    return Outcome(
        result=result, phase=phase.name, reason=fault.reason, interrupted=fault.interrupted
    )
