"""What the core needs from the outside world, as protocols that `adapters/` implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.core.analysis.entry import Query, Values
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.hooks.hook import Hook, HookResult, OnceRun
from pipeline.core.probe.expectation import Result as ProbeResult
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What AWS and its members tell about a group that failed.

    `lines` are the last ones that an unhealthy member printed, after a line that says whose they
    are; empty if no member printed anything.
    """

    text: str
    lines: tuple[str, ...] = ()


class GroupReader(Protocol):
    """Reads Auto Scaling groups and load balancers."""

    def observe(
        self,
        names: Sequence[str],
        balancers: Sequence[Balancer],
        *,
        activities: Sequence[str],
        rules: Sequence[str] = (),
    ) -> Observation:
        """Return these groups, these balancers' targets, the newest activities of some groups.

        `rules` are listeners and rules whose weights are read. Each API is called once. An API
        that does not answer is named in `unreadable`; nothing is raised.
        """

    def addresses(self, group: str) -> tuple[str, ...]:
        """Return the private addresses of the group's members."""

    def url_of(self, rule: str) -> str:
        """Return the URL of a listener, or of that of a rule; raises RefusedError."""

    def evidence(self, group: str, observation: Observation) -> Evidence:
        """Return everything AWS tells about a group that failed; never raises."""


class GroupWriter(Protocol):
    """Changes the traffic and the size of Auto Scaling groups; never creates or deletes one."""

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Attach the group; a balancer that is attached already is no error."""

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Detach the group; its members drain. A balancer that is not attached is no error."""

    def shift(self, rule: str, weights: Mapping[str, int]) -> None:
        """Set the weights of a listener's or rule's target groups, in percent, by their ARNs."""

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set the values that are not None."""


class Resources(Protocol):
    """Terraform: which server groups exist."""

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Start a plan in the background; raises nothing and returns at once."""

    def forget(self) -> None:
        """Discard a plan that was prepared and not used; raises nothing."""

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        """Plan exactly these releases.

        Raises RefusedError if the plan would change more than `creates` and `deletes`; nothing is
        changed then.
        """

    def apply(self, plan: Plan) -> None:
        """Apply a saved plan; raises FailedError with Terraform's own lines."""

    def discard(self, plan: Plan) -> None:
        """Discard a plan that is not to be applied, so that a plan by hand shows no changes."""

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Import what exists under these releases' names and is not in the state."""


class Hooks(Protocol):
    """Runs the environment's hooks, on this machine and on instances."""

    def run(
        self, hook: Hook, facts: Mapping[str, str], members: Callable[[], Sequence[str]]
    ) -> HookResult:
        """Run a hook to its end with these variables; return how it ended.

        `members` returns the ids of the instances that a hook for instances must succeed on, as
        AWS lists them now. Raises KeyboardInterrupt if a signal ended the hook.
        """


class Alarms(Protocol):
    """CloudWatch alarms by name."""

    def ringing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return one line for each alarm that is in ALARM."""


class Prober(Protocol):
    """Sends the requests of a probe at its rate, whatever the answers; nothing is raised."""

    def send(self, urls: tuple[str, ...], phase: str) -> None:
        """Send requests to the URLs in turn from now on; results name the phase. No URL: none."""

    def take(self) -> Sequence[ProbeResult]:
        """Return the results since the last call."""

    def take_unsent(self) -> int:
        """Return how many requests could not be sent since the last call."""

    def oldest(self) -> float:
        """Return for how many seconds the oldest request has waited; 0 without any."""

    def stop(self) -> None:
        """Send no more; wait a moment for the answers to those that were sent."""


class Metrics(Protocol):
    """CloudWatch metrics by minute; a minute is identified by its number since the epoch."""

    def minute(self, *, ago: float) -> int:
        """Return the minute that it was `ago` seconds of the cloud ago."""

    def minute_of(self, time: str) -> int:
        """Return the minute of a time, ISO 8601."""

    def read(self, queries: Sequence[Query], first: int, last: int) -> list[Values]:
        """Return the values of each query in the minutes from `first` to `last`."""


class EnvironmentReader(Protocol):
    """Reads the document of one environment."""

    def read(self) -> Environment:
        """Return the document as last read or written."""


class Ledger(EnvironmentReader, Protocol):
    """The document and the journals of one environment, written under the lease of this run."""

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write the changed document; raises LeaseHeldError once the lease is lost."""

    def intend(self, step: str, **facts: Any) -> None:
        """Append an intent to the deployment's journal, durable before this returns."""

    def done(self, step: str, **facts: Any) -> None:
        """Append a result."""

    def record(self, deployment: Deployment) -> None:
        """Record a deployment for the history: when it begins and when it has ended."""

    def find_once(self, run: OnceRun) -> OnceRun | None:
        """Return what is recorded of the same hook and image in this environment."""

    def begin_once(self, run: OnceRun) -> None:
        """Record that a hook with `once` begins, durable before this returns.

        Raises LeaseHeldError like `update`, and RefusedError if another run recorded it meanwhile.
        """

    def end_once(self, run: OnceRun, code: int) -> None:
        """Record that it ended with this exit code, with or without the lease."""

    def keep(self, name: str, text: str) -> str:
        """Keep a file of the deployment, such as its evidence; return where a person finds it."""


class Pace(Protocol):
    """Time and signals; `now` and `sleep` use the cloud's seconds, `clock` uses real seconds."""

    def now(self) -> float:
        """Return seconds that only grow, as fast as the cloud's delays pass."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt once a signal arrives that is not answered yet."""

    def clock(self) -> float:
        """Return real seconds that only grow."""

    def today(self) -> str:
        """Return the time, UTC, ISO 8601."""

    def answer_signals(self) -> int:
        """Mark the signals so far as answered; return their number."""
