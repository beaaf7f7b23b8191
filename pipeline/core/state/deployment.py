"""The nouns of a deployment: what was decided before it, what is recorded of it, how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.core.health.observation import Balancer
from pipeline.core.image import NO_ITEMS


class Kind(StrEnum):
    """What was asked for."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    REBUILD = "rebuild"
    RETIRE = "retire"
    RECOVER = "recover"
    ABORT = "abort"


class Result(StrEnum):
    """The state of the world at the end, not of the program."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    NEEDS_ATTENTION = "stranded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A command that must exit with 0 before traffic may come; `timeout` in seconds."""

    command: tuple[str, ...]
    timeout: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How an environment is deployed to; all durations in seconds of the deployment's clock.

    `looks` is how many looks in a row must find every member healthy. `keep` is how long blue
    stays warm after a success: 0 not at all, None until the next promotion.
    `deadlines` maps a phase's name to the longest it may wait, `deadline` is for the others.
    """

    healthy_checks: int = 3
    soak: float = 0.0
    observe: float = 0.0
    keep: float | None = 0.0
    deadline: float = 900.0
    deadlines: Mapping[str, float] = field(default_factory=lambda: NO_ITEMS)
    verify: tuple[Hook, ...] = ()
    alarms: tuple[str, ...] = ()

    def limit(self, phase: str) -> float:
        """Return the longest a phase may wait."""
        return self.deadlines.get(phase, self.deadline)

    def without_alarms(self, ringing: Iterable[str]) -> Policy:
        """Return it without the alarms of these lines, each `NAME: REASON`."""
        lines = tuple(ringing)
        quiet = (
            each
            for each in self.alarms
            if not any(f"{line}:".startswith(f"{each}:") for line in lines)
        )
        return replace(self, alarms=tuple(quiet))

    def pause(self, name: str) -> float:
        """Return the length of `soak` or `observe`."""
        return {"soak": self.soak, "observe": self.observe}[name]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Who runs a deployment: a person or a CI job, on which machine, `run` its address if any."""

    user: str
    host: str
    pid: int
    run: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseRun:
    """A phase that was performed: its name, real seconds, and the fault it ended with, if any."""

    name: str
    seconds: float
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a deployment ended: `phase` and `reason` name the fault where there was one.

    `interrupted` says that the fault was a person's or a runner's signal; `undone` why a rollback
    did not end well: stranded on its way, or rolled back to nothing, for blue was gone.
    """

    result: Result
    phase: str = ""
    reason: str = ""
    interrupted: bool = False
    undone: str = ""
    evidence: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One run of `promote`, `rollback`, `rebuild`, `recover` or `abort`, as it is recorded.

    `green` is the release that is to serve (for a rollback too: the one gone back to), `blue` the
    one that served when it began, empty where none did. `began` and `ended` are UTC, ISO 8601;
    `ended` and `outcome` are empty while it runs. `minimum` is what green's group gets back at
    the end, None to leave it alone. `keep_failed` leaves a failed green dark for a look. `warm`
    marks a rollback to a group that was still there.
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
    reason: str = ""
    phases: tuple[PhaseRun, ...] = ()
    ended: str = ""
    outcome: Outcome | None = None


def result_of(deployment: Deployment) -> Result | None:
    """Return how a deployment ended, None while it runs."""
    return deployment.outcome.result if deployment.outcome else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a deployment happens, resolved: names AWS knows, not what a person wrote."""

    app: str
    environment: str
    region: str
    account: str
    balancers: tuple[Balancer, ...]
