"""Define groups, their members, traffic sources and activities.

Mutable: a group lives long, and the API's lock guards all of it. The attributes of a member have
the names that moto's serializer expects, so DescribeAutoScalingGroups shows the members directly.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

# The lifecycle states whose members count as capacity (EC2 Auto Scaling User Guide,
# "Amazon EC2 Auto Scaling instance lifecycle").
COUNTED = frozenset({"Pending", "Pending:Wait", "Pending:Proceed", "InService"})
PENDING = COUNTED - {"InService"}
TERMINATING = frozenset({"Terminating", "Terminating:Wait", "Terminating:Proceed"})


def token() -> str:
    """Return an id as AWS makes them for activities and lifecycle actions."""
    return str(uuid.uuid4())


@dataclass(kw_only=True, eq=False)
class Activity:
    """A scaling activity, in the words of the API."""

    auto_scaling_group_name: str
    auto_scaling_group_arn: str
    description: str
    cause: str
    start_time: dt.datetime
    details: str
    activity_id: str = field(default_factory=token)
    status_code: str = "InProgress"
    status_message: str | None = None
    progress: int = 0
    end_time: dt.datetime | None = None
    auto_scaling_group_state: str | None = None  # "Deleted" after the group

    @property
    def is_over(self) -> bool:
        """True if the activity has ended."""
        return self.end_time is not None


@dataclass(kw_only=True, eq=False)
class Wait:
    """A lifecycle action: a hook that holds a member."""

    hook: str
    default: str  # CONTINUE or ABANDON, if it times out
    timeout: float  # on the group's clock
    deadline: float  # on the group's clock
    limit: float  # on the group's clock; heartbeats extend a wait no further
    token: str = field(default_factory=token)
    result: str | None = None
    timed_out: bool = False


@dataclass(kw_only=True, eq=False)
class Member:
    """An instance of a group, from its launch until it has left."""

    instance_id: str
    instance_type: str
    availability_zone: str
    subnet: str | None
    auto_scaling_group_name: str
    launched: float
    lifecycle_state: str = "Pending"
    health_status: str = "Healthy"
    protected_from_scale_in: bool = False
    launch_template: dict[str, str] | None = None
    launch_configuration_name: str | None = None
    activity: Activity | None = None
    in_service: float | None = None  # when it came into service
    not_added: bool = False  # launched while AddToLoadBalancer was suspended
    registers_at: float | None = None  # when it is registered, if later than in service
    down: float | None = None  # since when its instance is not running
    left: float | None = None  # when it was deregistered
    drained: bool = False
    ended: bool = False  # EC2 has been asked to terminate it
    abandoned: bool = False  # it never was in service, so no hook holds it
    held: bool = False  # the hooks of this transition have started
    waits: list[Wait] = field(default_factory=list)
    unhealthy_reason: str = ""

    @property
    def counts(self) -> bool:
        """True if the member counts as capacity."""
        return self.lifecycle_state in COUNTED


@dataclass(kw_only=True, eq=False)
class Source:
    """A classic load balancer or a target group that a group is attached to."""

    identifier: str  # name of the load balancer; ARN of the target group
    type: Literal["elb", "elbv2"]
    state: str = "Adding"
    since: float = 0.0

    @property
    def is_attached(self) -> bool:
        """True if the group's members are registered with it."""
        return self.state in {"Adding", "Added", "InService"}


class Settings(Protocol):
    """The settings of a group; moto's group has them."""

    name: str
    arn: str
    desired_capacity: int
    min_size: int
    max_size: int
    health_check_type: str
    health_check_grace_period: int
    default_cooldown: int
    termination_policies: list[str]
    new_instances_protected_from_scale_in: bool


@dataclass(kw_only=True, eq=False)
class Group:
    """A group and its present state."""

    settings: Any  # a Settings; moto's group has no types
    members: list[Member] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)  # of all groups, shared
    suspended: dict[str, str] = field(default_factory=dict)  # process -> reason
    requested: str = ""  # what changed the capacity, for the causes of activities
    replacing: int = 0  # unhealthy members without a replacement so far
    failures: int = 0  # failed launches in a row
    retry: float | None = None  # when to launch again
    deleting: float | None = None  # when it was deleted
    forced: bool = False
    warm_pool: Any = None  # a `warm_pool.WarmPool`, or None
    refreshes: list[Any] = field(default_factory=list)  # of `refresh.Refresh`, newest first

    @property
    def name(self) -> str:
        """The name of the group."""
        return str(self.settings.name)

    @property
    def capacity(self) -> int:
        """The number of members that count as capacity."""
        return sum(member.counts for member in self.members)

    def find(self, instance: str) -> Member | None:
        """Return the member of an instance."""
        return next((m for m in self.members if m.instance_id == instance), None)
