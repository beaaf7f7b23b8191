"""Wait for the gate of one phase: observe, judge, grow, and observe again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.polling import Timings
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.signals.base import Moment, Signal, combined
from pipeline.core.events import Report, Watched
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.times import format_duration
from pipeline.core.validation.phases import DETACHED, HOLD


class GateError(Exception):
    """The gate of a phase cannot pass, or did not in time."""


@dataclass(frozen=True, kw_only=True)
class PhaseWait:
    """The wait for the end of a phase.

    `known` are the instances that were healthy during the deployment, as for the deployer, and
    `launched` is when green was launched, None if this run did not do that.
    """

    reconciler: Reconciler
    signals: Sequence[Signal]
    report: Report
    deployment: Deployment
    known: dict[str, float]
    launched: float | None = None

    def run(self, phase: Phase, limit: float) -> None:
        """Wait until the gate passes; raises GateError if it cannot, or not within `limit`."""
        observer, pace, watcher = (
            self.reconciler.observer,
            self.reconciler.pace,
            self._watcher(phase, limit),
        )
        deadline = max(pace.now() + limit, watcher.settled)
        if seconds := watcher.rest(limit):
            pace.sleep(seconds)
        while True:
            watcher.add(observer.watch(watcher))
            self.reconciler.attach_again(phase, watcher.latest)
            self.reconciler.shift_back(phase, watcher.wait)
            verdict = self._judge(watcher, phase)
            reason = "" if isinstance(verdict, Healthy) else verdict.reason
            self.report(Watched(phase=phase.name, waiting=reason, observation=watcher.latest))
            match verdict:
                case Healthy():
                    return
                case Failed():
                    raise GateError(reason)
                case Progressing() if pace.now() >= deadline:
                    raise GateError(f"gave up after {format_duration(limit)}: {reason}")
            if smaller := phase.gate.reduction(watcher.wait):
                self.reconciler.sizes.reduce(smaller.release, smaller.least, watcher.latest)
                watcher.wait.document = self.reconciler.ledger.read()
            elif target := watcher.size_target:
                self.reconciler.sizes.grow(target.release, target.least, watcher.latest)
            observer.wait_for_next(watcher, deadline)

    def _watcher(self, phase: Phase, limit: float) -> GateWatcher:
        observer = self.reconciler.observer
        watcher = GateWatcher.begin(
            phase.gate,
            document=self.reconciler.ledger.read(),
            place=observer.place,
            policy=patient(self.reconciler.policy, phase),
            limit=limit,
            known=self.known,
            writes=observer.writes,
        )
        watcher.wait.forecast = phase.gate.forecast(self._timings())
        watcher.wait.empty_before = self.deployment.empty_before
        watcher.wait.shares = phase.want.shares
        return watcher

    def _judge(self, watcher: GateWatcher, phase: Phase) -> Verdict:
        """Return the verdict of the gate and of the signals that may end the phase."""
        verdict = watcher.judge()
        moment = Moment(
            deployment=self.deployment,
            phase=phase.name,
            policy=self.reconciler.policy,
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

    def _timings(self) -> Timings:
        blue = self.reconciler.ledger.read().releases.get(self.deployment.blue)
        now = self.reconciler.pace.now()
        since = None if self.launched is None else now - self.launched
        return Timings(
            drain=self.reconciler.policy.delays.drain,
            ready=blue.ready if blue else None,
            since_launch=since,
        )


def patient(policy: Policy, phase: Phase) -> Policy:
    """Return the policy of a wait: on the way back, a lack of capacity only ends with it."""
    return replace(policy, patience=inf) if phase.has(HOLD) else policy
