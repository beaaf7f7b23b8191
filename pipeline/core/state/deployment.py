"""Define a deployment: its policy, its record and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.core.analysis.policy import Analysis
from pipeline.core.analysis.record import PhaseAnalysis
from pipeline.core.changes.model import Changes
from pipeline.core.health.observation import Balancer
from pipeline.core.hooks.hook import Hook
from pipeline.core.image import NO_ITEMS
from pipeline.core.pausing.pause import (
    AWS,
    NO_ACTOR,
    NO_PAUSES,
    Actor,
    Decision,
    Pause,
    PausePolicy,
)
from pipeline.core.probe.settings import Probe
from pipeline.core.probe.tally import ProbeTotals
from pipeline.core.state.release import AdoptedGroup
from pipeline.core.state.strategy import STEP, Batches, Step, Strategy
from pipeline.core.validation.phases import DRAINS, family, traits_of

DRAIN_MARGIN = 120.0
"""Seconds for a drain beyond its delay: load balancers and observations notice its end late."""


class Kind(StrEnum):
    """The command that a deployment belongs to."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    REBUILD = "rebuild"
    RETIRE = "retire"
    RECOVER = "recover"
    ABORT = "abort"
    DESTROY = "destroy"
    DRILL = "drill"


class Result(StrEnum):
    """The result of a deployment: the state of the environment, not of the program."""

    PROMOTED = "promoted"
    PROVEN = "proven"
    REFUSED = "refused"
    PAUSED = "paused"
    ROLLED_BACK = "rolled back"
    NEEDS_ATTENTION = "needs attention"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delays:
    """How long load balancers need by their own settings, the longest of all, in seconds.

    `drain` is the deregistration delay or the connection draining timeout; for workers, how long a
    termination hook holds an instance without a heartbeat. `slow_start` is how long a target group
    sends a new target less than its share.
    """

    drain: float = 0.0
    slow_start: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The settings of a deployment; all durations are seconds of the deployment's clock.

    `healthy_checks` is how many checks in a row must find every member healthy. `keep` is how
    long blue stays warm after a success: 0 not at all, None until the next promotion. `deadlines`
    maps the name of a phase to its time limit; `deadline` is the limit of the others. `patience`
    is how long EC2 may have no capacity before the group fails. `delays` are those of the load
    balancers, once they are known; `waits_for_slow_start` says whether the soak includes it.
    Without `overlap`, the old workers stop before the new ones start. `pauses` says before which
    phases a promotion waits for a person.
    """

    healthy_checks: int = 3
    soak: float = 0.0
    observe: float = 0.0
    keep: float | None = 0.0
    deadline: float = 900.0
    deadlines: Mapping[str, float] = field(default_factory=lambda: NO_ITEMS)
    hooks: tuple[Hook, ...] = ()
    alarms: tuple[str, ...] = ()
    probe: Probe | None = None
    analysis: Analysis | None = None
    patience: float = 300.0
    waits_for_slow_start: bool = True
    overlap: bool = True
    strategy: Strategy = Strategy.OVERLAP
    steps: tuple[Step, ...] = ()
    min_healthy: int = 90
    delays: Delays = Delays()
    pauses: PausePolicy = NO_PAUSES

    @property
    def batches(self) -> Batches | None:
        """How groups shrink and grow in turn, None for another strategy."""
        is_wanted = self.strategy is Strategy.BATCHES
        return Batches(min_healthy=self.min_healthy) if is_wanted else None

    def limit(self, phase: str) -> float:
        """Return the time limit of a phase.

        A phase that drains has at least the delay of the load balancers plus a margin, whatever
        its deadline is: AWS shows a target as draining for the whole delay.
        """
        given = self.deadlines.get(family(phase), self.deadline)
        if DRAINS in traits_of(phase) and self.delays.drain:
            return max(given, self.delays.drain + DRAIN_MARGIN)
        if phase == "soak":
            return given + self.pause("soak") - self.soak
        return given + self.pause(phase) if phase.startswith(STEP) else given

    def without_alarms(self, lines: Iterable[str]) -> Policy:
        """Return the policy without the alarms of these lines, each `NAME: REASON`."""
        firing = self.firing(lines)
        return replace(self, alarms=tuple(each for each in self.alarms if each not in firing))

    def firing(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Return the alarms of these lines, each `NAME: REASON` or `NAME`."""
        known = tuple(lines)
        return tuple(
            each for each in self.alarms if any(f"{line}:".startswith(f"{each}:") for line in known)
        )

    def without_waits(self) -> Policy:
        """Return the policy of a check that phases which are over still hold: it waits for none."""
        steps = tuple(replace(each, seconds=0.0) for each in self.steps)
        return replace(self, soak=0.0, observe=0.0, steps=steps, waits_for_slow_start=False)

    def pause(self, name: str) -> float:
        """Return the duration of a phase that waits; the soak lasts as long as a slow start."""
        slow_start = self.delays.slow_start if self.waits_for_slow_start else 0.0
        lengths = {"soak": max(self.soak, slow_start), "observe": self.observe}
        if name.startswith(STEP):
            return self.steps[int(name.removeprefix(STEP)) - 1].seconds
        return lengths.get(name, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """The user, machine and process of a deployment; `run` is the URL of its CI job, if any."""

    user: str
    host: str
    pid: int
    run: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseRun:
    """A finished phase: its name, its seconds, and the failure that ended it, if any.

    `began` is UTC, ISO 8601, empty in a record of an earlier version.
    """

    name: str
    seconds: float
    fault: str = ""
    began: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The outcome of a deployment: `phase` and `reason` name the failure, if there was one.

    `last_lines` are those of an unhealthy member, after whose they are. `unserved` says that no
    member of the new release ever passed the checks of the load balancers, so it had no traffic.
    `interrupted` says that a signal of a person or a CI runner caused it. `rollback_error` says
    why the rollback failed, or why nothing serves after it because blue was gone. `remedy` is that
    of the error that `reason` or, if there is one, `rollback_error` describes. `hook_errors` are
    those of hooks that ran when the outcome was decided. `pending` are the releases that it left
    for a later command to remove.
    """

    result: Result
    phase: str = ""
    reason: str = ""
    interrupted: bool = False
    rollback_error: str = ""
    evidence: str = ""
    last_lines: tuple[str, ...] = ()
    unserved: bool = False
    remedy: str = ""
    hook_errors: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The size of a group: minimum, maximum and desired capacity, None to leave that one."""

    minimum: int
    maximum: int
    desired: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """The record of one run of `promote`, `rollback`, `rebuild`, `recover` or `abort`.

    `green` is the release that is to serve, also for a rollback; `blue` is the release that served
    at the beginning, empty if none did. `began` and `ended` are UTC, ISO 8601; `ended` and
    `outcome` are empty while it runs. `minimum` is the minimum size that green's group gets at the
    end, None to leave it unchanged. `keep_failed` keeps a failed green, detached, for debugging.
    `warm` marks a rollback to a group that still existed. `detach` are the load balancers that
    blue leaves for good, because the configuration does not name them any more. `target_groups` are
    those of the pairs that green uses, by their ARNs. `before` is the
    size of blue's group at the beginning, `after` the size that green's group gets at the end, once
    that is decided. `adopted` is blue's group if the pipeline did not create it. `worker` says that
    the environment has no load balancers. `probe` has the probe's requests, if there is a probe.
    `analysis` has the judgments of the phases that were analyzed. `muted` are alarms that were
    firing at the beginning: they do not count. `proves` is the earlier release whose rollback a
    drill proves. `actor` began it, and `why` is the reason that was given. `override` describes the
    freeze that it overrode, empty for none. `changes` is what green brings compared with blue, None
    if an earlier ami-pipeline began it or no release replaces another. It pauses before the phases
    `pause_before`; `pauses` are those so far, the last one may last.
    """

    id: str
    kind: Kind
    environment: str
    green: str
    blue: str
    began: str
    by: Runner
    image: str = ""
    version: str = ""
    minimum: int | None = None
    phase: str = ""
    keep_failed: bool = False
    warm: bool = False
    detach: tuple[Balancer, ...] = ()
    target_groups: tuple[str, ...] = ()
    before: Limits | None = None
    after: Limits | None = None
    adopted: AdoptedGroup | None = None
    worker: bool = False
    probe: ProbeTotals | None = None
    analysis: tuple[PhaseAnalysis, ...] = ()
    muted: tuple[str, ...] = ()
    proves: str = ""
    actor: Actor = NO_ACTOR
    why: str = ""
    override: str = ""
    changes: Changes | None = None
    pause_before: tuple[str, ...] = ()
    pauses: tuple[Pause, ...] = ()
    reason: str = ""
    phases: tuple[PhaseRun, ...] = ()
    ended: str = ""
    outcome: Outcome | None = None

    @property
    def pause(self) -> Pause | None:
        """The pause that lasts, None unless the deployment is paused."""
        last = self.pauses[-1] if self.pauses else None
        return last if last and last.decision is None else None

    @property
    def beginner(self) -> str:
        """Who began it: `ann (GitHub Actions)` as CI names them, else `ada on laptop`."""
        is_of_ci = self.actor.name and self.actor.system not in {AWS, ""}
        return str(self.actor) if is_of_ci else f"{self.by.user} on {self.by.host}"

    def pauses_before(self, phase: str) -> bool:
        """Return True if a person must approve a phase and has not done so."""
        approved = {each.before for each in self.pauses if each.decision is Decision.RESUMED}
        return phase in self.pause_before and phase not in approved

    def unpaused(self, decided: Pause) -> Deployment:
        """Return the deployment as its last pause ended."""
        return replace(self, pauses=(*self.pauses[:-1], decided), outcome=None, ended="")

    @property
    def empty_before(self) -> frozenset[str]:
        """Blue, if a schedule or a person had scaled it to zero before the deployment."""
        empty = self.before is not None and self.before.desired == 0
        return frozenset({self.blue}) if empty else frozenset()


def result_of(deployment: Deployment) -> Result | None:
    """Return the result of a deployment, None while it runs."""
    return deployment.outcome.result if deployment.outcome else None
