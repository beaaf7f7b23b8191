"""What the core needs of the outside world, as protocols; `adapters/` fulfils them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.state.deployment import Deployment, Hook
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan


class Groups(Protocol):
    """Auto Scaling groups: who serves and how many. None is made or deleted here."""

    def observe(
        self, names: Sequence[str], balancers: Sequence[Balancer], *, activities: Sequence[str]
    ) -> Observation:
        """Return these groups, these balancers' targets, the newest activities of some groups.

        One call for each API; what cannot be read is in `unreadable`, nothing is raised for it.
        """

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve; what is attached already is no error."""

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve no more; its members drain. What is not attached is no error."""

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set what is not None."""

    def addresses(self, group: str) -> tuple[str, ...]:
        """Return the private addresses of the group's members."""

    def evidence(self, group: str, observation: Observation) -> str:
        """Return all there is to read about a group that failed, in AWS's words."""


class Resources(Protocol):
    """Terraform: which server groups exist."""

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Begin the plan that will be asked for, beside other work; raises nothing, waits not."""

    def forget(self) -> None:
        """Forget what was prepared and not asked for; raises nothing."""

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        """Plan exactly these releases; refuse a plan that does more than these creates, deletes.

        Raises RefusedError with what else it would do; nothing was changed then.
        """

    def apply(self, plan: Plan) -> None:
        """Apply a plan as it was saved; raises FailedError with Terraform's words."""

    def discard(self, plan: Plan) -> None:
        """Forget a plan that is not to be applied: what a person plans by hand changes nothing."""

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Bring what exists under these releases' names but not in the state into the state."""


class Hooks(Protocol):
    """The environment's verify commands."""

    def run(self, hook: Hook, facts: Mapping[str, str]) -> None:
        """Run one with these facts in its environment; raises FailedError with its words."""


class Alarms(Protocol):
    """CloudWatch alarms by name."""

    def ringing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return one line for each that is in ALARM."""


class Ledger(Protocol):
    """The document and the journals of one environment, written under the lease we hold."""

    def read(self) -> Environment:
        """Return the document as last read or written."""

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write what `change` makes of the document; LeaseHeldError once the lease is lost."""

    def intend(self, step: str, **facts: Any) -> None:
        """Append an intent to the deployment's journal, durable before this returns."""

    def done(self, step: str, **facts: Any) -> None:
        """Append a result."""

    def record(self, deployment: Deployment) -> None:
        """Record a deployment for the history as it stands: once it begins and once it ended."""

    def keep(self, name: str, text: str) -> str:
        """Keep a file of the deployment, such as its evidence; return where a person finds it."""


class Pace(Protocol):
    """Time and signals. `now` and `sleep` are in the cloud's seconds, `clock` in real ones."""

    def now(self) -> float:
        """Return seconds that only grow, as fast as the cloud's delays pass."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt once a signal has come that nobody has answered."""

    def clock(self) -> float:
        """Return real seconds that only grow."""

    def today(self) -> str:
        """Return the time, UTC, ISO 8601."""

    def answer_signals(self) -> int:
        """Take the signals that came so far as answered, and return how many there were."""
