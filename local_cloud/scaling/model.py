"""What Auto Scaling knows of a group: its members, traffic sources and activities.

Mutable, for a group lives long and all of it is guarded by the API's lock. The
attributes of a member carry the names under which moto's serialiser looks for them,
so the members themselves are what DescribeAutoScalingGroups shows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any, Literal, Protocol

# The lifecycle states whose members count as capacity (EC2 Auto Scaling User Guide,
# "Amazon EC2 Auto Scaling instance lifecycle").
COUNTED = frozenset({"Pending", "Pending:Wait", "Pending:Proceed", "InService"})
PENDING = COUNTED - {"InService"}
TERMINATING = frozenset({"Terminating", "Terminating:Wait", "Terminating:Proceed"})


def token() -> str:
    """Return an id as AWS makes them for activities and lifecycle actions."""
    return str(uuid.uuid4())


@dataclasses.dataclass(kw_only=True, eq=False)
class Activity:
    """A scaling activity, in the words of the API."""

    auto_scaling_group_name: str
    auto_scaling_group_arn: str
    description: str
    cause: str
    start_time: dt.datetime
    details: str
    activity_id: str = dataclasses.field(default_factory=token)
    status_code: str = "InProgress"
    status_message: str | None = None
    progress: int = 0
    end_time: dt.datetime | None = None
    auto_scaling_group_state: str | None = None  # "Deleted" when the group is gone

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self.end_time is not None


@dataclasses.dataclass(kw_only=True, eq=False)
class Wait:
    """A lifecycle action: a member that a hook holds."""

    hook: str
    default: str  # CONTINUE or ABANDON, when nobody completes it in time
    timeout: float  # on the group's clock
    deadline: float  # on the group's clock
    limit: float  # on the group's clock; heartbeats extend a wait no further
    token: str = dataclasses.field(default_factory=token)
    result: str | None = None
    timed_out: bool = False


@dataclasses.dataclass(kw_only=True, eq=False)
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
    unlisted: bool = False  # launched while AddToLoadBalancer was suspended
    joins: float | None = None  # when it will be registered, if not when it comes into service
    down: float | None = None  # since when EC2 has not been running it
    left: float | None = None  # when it began to leave its load balancers
    drained: bool = False
    ended: bool = False  # EC2 was told to terminate it
    abandoned: bool = False  # it never came into service, so no more hooks hold it
    held: bool = False  # the hooks of this transition have begun
    waits: list[Wait] = dataclasses.field(default_factory=list)
    because: str = ""  # why its health is what it is, if it is not

    @property
    def counts(self) -> bool:
        """Tell whether it is capacity."""
        return self.lifecycle_state in COUNTED


@dataclasses.dataclass(kw_only=True, eq=False)
class Source:
    """A classic load balancer or a target group that a group is attached to."""

    identifier: str  # name of the load balancer; ARN of the target group
    type: Literal["elb", "elbv2"]
    state: str = "Adding"
    since: float = 0.0

    @property
    def is_attached(self) -> bool:
        """Tell whether members belong into it."""
        return self.state in {"Adding", "Added", "InService"}


class Settings(Protocol):
    """What the API sets on a group; moto's group is one."""

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


@dataclasses.dataclass(kw_only=True, eq=False)
class Group:
    """A group and what is going on in it."""

    settings: Any  # a Settings; moto's group has no types
    members: list[Member] = dataclasses.field(default_factory=list)
    sources: list[Source] = dataclasses.field(default_factory=list)
    activities: list[Activity] = dataclasses.field(default_factory=list)  # of all groups, shared
    suspended: dict[str, str] = dataclasses.field(default_factory=dict)  # process -> reason
    requested: str = ""  # what changed the capacity, as causes tell it
    replacing: int = 0  # unhealthy members whose replacements were not launched yet
    failures: int = 0  # launches that failed in a row
    retry: float | None = None  # when to try again
    deleting: float | None = None  # when it was deleted
    forced: bool = False

    @property
    def name(self) -> str:
        """The name of the group."""
        return str(self.settings.name)

    @property
    def capacity(self) -> int:
        """How many members count."""
        return sum(member.counts for member in self.members)

    def find(self, instance: str) -> Member | None:
        """Return a member by its instance."""
        return next((m for m in self.members if m.instance_id == instance), None)
