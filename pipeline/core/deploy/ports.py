"""What the core needs of the outside world, as protocols; `adapters/` fulfils them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.core.bake.model import (
    BakeRequest,
    BuildReport,
    BuildResources,
    Image,
    ObservedImage,
    Source,
    Template,
)
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.state.deployment import Deployment, Hook
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan


class Baker(Protocol):
    """Packer."""

    def version(self) -> str:
        """Return Packer's version, for example `1.6.6`."""

    def inspect(self, request: BakeRequest) -> Template:
        """Return what the template declares."""

    def validate(self, request: BakeRequest, variables: Mapping[str, Any]) -> None:
        """Return if Packer accepts the template with these variables."""

    def build(
        self,
        request: BakeRequest,
        name: str,
        template: Template,
        variables: Mapping[str, Any],
        *,
        traced: Callable[[BuildResources], None],
    ) -> BuildReport:
        """Run the build to its end, whichever that is; `traced` hears of each thing it makes."""


class Images(Protocol):
    """AMIs in every region asked for."""

    def resolve(self, source: Source, region: str) -> str:
        """Return the id of the image to bake on."""

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        """Return our own images that carry these tags, newest first."""

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        """Return our own images of exactly this name."""

    def seen(self, region: str, image_id: str) -> ObservedImage | None:
        """Return one of our own images by id, or None."""

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Tag the image and its snapshots."""

    def remove(self, image: ObservedImage) -> None:
        """Deregister the image and delete its snapshots."""


class Leftovers(Protocol):
    """What a Packer that could not clean up left in the account."""

    def remove(self, region: str, traces: BuildResources, bake: str) -> tuple[str, ...]:
        """Remove the temporary instance, key pair and security group; return what was removed."""


class Records(Protocol):
    """The images part of the store."""

    def write(self, image: Image, traces: BuildResources | None = None) -> None:
        """Record the image, replacing an earlier record of the same name."""

    def unfinished(self, app: str) -> Sequence[tuple[Image, BuildResources]]:
        """Return the bakes of this app that began, did not end, and run no more."""


class Workplace(Protocol):
    """The machine the bake runs on."""

    def fingerprint(self, request: BakeRequest, source_ami: str, packer: str) -> str:
        """Return the digest of everything that goes into the image."""

    def name(self, request: BakeRequest) -> str:
        """Return a new image name that no other bake uses."""

    def now(self) -> str:
        """Return the time, UTC, ISO 8601."""

    def clock(self) -> float:
        """Return seconds that only grow."""

    def shield(self) -> AbstractContextManager[None]:
        """Hold signals back until the block ends, so that a clean-up is not cut short."""

    def claim(self, bake: str) -> AbstractContextManager[None]:
        """Let other runs see that this bake is alive while the block lasts."""


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
