"""What is true of the account before a deployment begins; judged by `preflight`.

Apart from `seen`, which changes from one poll to the next: these are settings, read once.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.state.deployment import Place
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name


@dataclass(frozen=True, kw_only=True, slots=True)
class BalancerFacts:
    """A classic load balancer or a target group, as it is set up; all durations in seconds.

    `listeners` is how many listeners send requests to it, by their default action or by a rule;
    `zones` are the Availability Zones enabled on its load balancer, or on all of them.
    `drain_seconds` is the deregistration delay, or the connection draining timeout (0 where it is
    off); `check_seconds` the interval of its health checks times their healthy threshold;
    `target_type` is `instance`, `ip`, `lambda` or `alb`. Where it does not exist, `exists` is
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a deployment is about to do; `environment` is the document as it was read.

    `account` is the one configured, empty where none is. `green` names the release that is to
    be launched, empty where a warm group is to serve again; `count` is how many instances it
    begins with where nothing serves (else as many as serve). `recorded` says that the image is in
    our own records, so that another account may own it. `subnets` are those Terraform is told, if
    it is told ids. `seconds` is how long the credentials must last. `mends` says that the
    deployment is meant for a fleet that may be sick, as a rollback is. `retires` says that the
    group that serves now is to be deleted. `absent` are load balancers of the configuration that
    do not exist; those of `place` do. `lost` names the group that served and is gone, where
    `environment` is the document without it.
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
    mends: bool = False
    retires: bool = True
    absent: tuple[Balancer, ...] = ()
    lost: str = ""

    def group(self, release: str) -> str:
        """Return the name of a release's group and launch template, empty of no release."""
        return group_name(self.place.app, self.place.environment, release) if release else ""

    @property
    def blue(self) -> str:
        """The group that serves, by the document; empty before the first release."""
        return self.group(self.environment.serving)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityFacts:
    """Who the credentials are (GetCallerIdentity)."""

    account: str
    arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialFacts:
    """How long the credentials last: `seconds` from now, None where they do not say.

    `temporary` ones end some time; those that `renew` themselves are replaced before they do.
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
    """A group that is ours by its tags or its name, or that is attached to our load balancers.

    `release` is empty where it is not ours. `status` is not empty while it is deleted. `standby`
    and `protected` are members that a person put aside, or protected from scale-in.
    """

    name: str
    release: str
    desired: int
    attached: frozenset[str]
    members: frozenset[str] = frozenset()
    status: str = ""
    suspended: frozenset[str] = frozenset()
    subnets: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SubnetFacts:
    """A subnet as DescribeSubnets shows it; `free` is its AvailableIpAddressCount."""

    id: str
    zone: str
    vpc: str
    free: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How many of something may be in the account and region, and how many are."""

    most: int
    used: int

    @property
    def left(self) -> int:
        """How many more there may be."""
        return self.most - self.used


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Something that could not be read; a deployment goes on without it if it is not `needed`."""

    where: str
    what: str
    remedy: str
    needed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything preflight looks at. None, where it could not be read: then `failures` says why.

    `image` and `type` are None too where AWS knows no such thing, which `missing` names.
    `vcpus` is None where there is no such quota, `refreshes` are the active ones of the serving
    group, one line each; `alarms` are those of ours that ring, as `NAME: REASON`. `failures` hold
    also what further checks refused.
    """

    identity: IdentityFacts | None = None
    credentials: CredentialFacts | None = None
    image: ImageFacts | None = None
    type: TypeFacts | None = None
    missing: frozenset[str] = frozenset()
    groups: tuple[GroupFacts, ...] | None = None
    templates: frozenset[str] | None = None
    refreshes: tuple[str, ...] | None = None
    subnets: tuple[SubnetFacts, ...] | None = None
    balancers: tuple[BalancerFacts, ...] | None = None
    observation: Observation | None = None
    group_room: Room | None = None
    vcpus: Room | None = None
    targets: int | None = None
    alarms: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
