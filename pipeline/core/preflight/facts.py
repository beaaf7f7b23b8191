"""Define the facts that preflight reads once before a deployment, and the deployment's proposal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.health.place import Place
from pipeline.core.permissions.probes import Launch, PermissionFacts
from pipeline.core.preflight.additions import Attached
from pipeline.core.state.deployment import Delays, Kind
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class BalancerFacts:
    """The settings of a classic load balancer or a target group; durations are in seconds.

    `listeners` is how many listeners send requests to it, by their default action or by a rule;
    `zones` are the Availability Zones that its load balancers have enabled.
    `drain_seconds` is the deregistration delay, or the connection draining timeout (0 if it is
    off); `check_seconds` the interval of its health checks times their healthy threshold;
    `target_type` is `instance`, `ip`, `lambda` or `alb`. If it does not exist, `exists` is
    False and the rest is empty.
    """

    balancer: Balancer
    exists: bool
    listeners: int
    zones: frozenset[str]
    vpc: str
    drain_seconds: float
    check_seconds: float
    slow_start: float
    target_type: str


def longest_delays(balancers: Iterable[BalancerFacts]) -> Delays:
    """Return the longest delays of these load balancers, 0 without any."""
    all_of_them = tuple(balancers)
    return Delays(
        drain=max((each.drain_seconds for each in all_of_them), default=0.0),
        slow_start=max((each.slow_start for each in all_of_them), default=0.0),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """The plan of a deployment for preflight; `environment` is the document as it was read.

    `account` is the configured account, empty if none is. `green` is the release to launch, empty
    if a warm group is to serve again. `count` is its number of instances if no release serves;
    otherwise it has as many as the serving group. `recorded` says that the image is in the store,
    so another account may own it. `subnets` are the ids in Terraform's inputs, if any. `seconds` is
    how long the credentials must last. `allow_unhealthy` says that the deployment may begin while
    the serving fleet is unhealthy, as a rollback may. `retires` says that the serving group will be
    deleted. `absent` are configured load balancers that do not exist; those of `place` do. `lost`
    is the serving group that was deleted outside ami-pipeline; `environment` is the document
    without it. `launch` is what the permissions are proven for, None for a warm group. `kind` is
    the command's, and `detach` the names of load balancers that the serving group is to leave.
    Without `overlap`, the serving group stops before the new one starts. `probe_url` is what the
    probe requests, empty without one. With `batches`, the serving group shrinks while the new one
    grows. `instance_hook` names the first hook that runs on instances, empty without one.
    """

    place: Place
    environment: Environment
    image_id: str
    instance_type: str
    count: int
    seconds: float
    account: str = ""
    green: str = ""
    recorded: bool = True
    subnets: tuple[str, ...] = ()
    allow_unhealthy: bool = False
    retires: bool = True
    absent: tuple[Balancer, ...] = ()
    lost: str = ""
    launch: Launch | None = None
    kind: Kind = Kind.PROMOTE
    detach: tuple[str, ...] = ()
    overlap: bool = True
    probe_url: str = ""
    batches: bool = False
    instance_hook: str = ""

    @property
    def is_worker(self) -> bool:
        """Return True if the configuration names no load balancers."""
        return self.place.is_worker and not self.absent

    def configured(self, attached: frozenset[str]) -> frozenset[str]:
        """Return those of a group's traffic sources that the configuration names."""
        return attached & {each.identifier for each in self.place.all_balancers}

    def group(self, release: str) -> str:
        """Return the name of a release's group and launch template, empty without a release."""
        return self.environment.group(release) if release else ""

    @property
    def replaces_adopted(self) -> bool:
        """Return True if the serving group is one that the pipeline did not create."""
        return self.environment.serving in self.environment.adopted

    @property
    def template(self) -> str:
        """Return the serving release's launch template; empty if the pipeline has none there."""
        return "" if self.replaces_adopted else self.blue

    @property
    def blue(self) -> str:
        """Return the serving group by the document; empty if no release serves."""
        return self.group(self.environment.serving)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityFacts:
    """The identity of the credentials (GetCallerIdentity)."""

    account: str
    arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialFacts:
    """The lifetime of the credentials: `seconds` from now, None if unknown.

    `temporary` credentials expire; `renew` says that they are replaced before they do.
    """

    temporary: bool
    renew: bool
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """An AMI as DescribeImages shows it; `deprecated` once its DeprecationTime has passed."""

    id: str
    state: str
    owner: str
    architecture: str
    root_device: str
    deprecated: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TypeFacts:
    """An instance type as DescribeInstanceTypes shows it."""

    name: str
    architectures: frozenset[str]
    vcpus: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupFacts:
    """A group of this environment, one on its load balancers, or one with a name that it needs.

    `release` is empty unless the group belongs to this environment. `owner` is the other app and
    environment that its tags name, empty otherwise; an unmanaged group has neither. `attached`
    has every traffic source, configured or not. `status` is not empty while the group is being
    deleted. `standby` and `protected` are members in standby, or protected from scale-in;
    `retained` those kept after an abandoned termination hook. `protection` is the group's own
    protection from deletion, empty for none.
    """

    name: str
    release: str
    desired: int
    attached: frozenset[str]
    maximum: int = 0
    members: frozenset[str] = frozenset()
    status: str = ""
    suspended: frozenset[str] = frozenset()
    subnets: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    retained: tuple[str, ...] = ()
    protection: str = ""
    owner: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateFacts:
    """A launch template with a name that this environment needs; `release`, `owner` as a group."""

    name: str
    release: str
    owner: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubnetFacts:
    """A subnet as DescribeSubnets shows it; `free` is its AvailableIpAddressCount."""

    id: str
    zone: str
    vpc: str
    free: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """A quota of the account in the region, and how much of it is used."""

    limit: int
    used: int

    @property
    def free(self) -> int:
        """Return how much of the quota is free."""
        return self.limit - self.used


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A fact that could not be read; it blocks the deployment if it is `needed`."""

    where: str
    what: str
    remedy: str
    needed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All facts of preflight; a fact is None if it could not be read, and `failures` says why.

    `image` and `type` are also None if they do not exist, and `missing` names them. `vcpus` is
    None if there is no such quota. `refreshes` are the active instance refreshes of the serving
    group, one line each; `alarms` are the configured alarms that are firing, as `NAME: REASON`.
    `probe_failure` is what is wrong with the answers of the serving release to the probe.
    `permissions` is what the probes showed. `attached` is what the serving group has attached
    besides load balancers. `hold` is for how many seconds the termination hooks of the serving
    workers hold an instance. `unmanaged` says why members of the serving group get no commands, by
    their ids; nothing for one that gets them. `failures` also holds the refusals of further checks.
    """

    identity: IdentityFacts | None = None
    credentials: CredentialFacts | None = None
    image: ImageFacts | None = None
    type: TypeFacts | None = None
    missing: frozenset[str] = frozenset()
    groups: tuple[GroupFacts, ...] | None = None
    templates: tuple[TemplateFacts, ...] | None = None
    refreshes: tuple[str, ...] | None = None
    subnets: tuple[SubnetFacts, ...] | None = None
    balancers: tuple[BalancerFacts, ...] | None = None
    observation: Observation | None = None
    group_quota: Quota | None = None
    vcpus: Quota | None = None
    targets: int | None = None
    alarms: tuple[str, ...] = ()
    probe_failure: str = ""
    permissions: PermissionFacts | None = None
    attached: Attached | None = None
    hold: float | None = None
    unmanaged: Mapping[str, str] | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def delays(self) -> Delays:
        """The longest delays of the load balancers, or of the termination hooks of workers."""
        found = longest_delays(self.balancers or ())
        return replace(found, drain=max(found.drain, self.hold or 0.0))
