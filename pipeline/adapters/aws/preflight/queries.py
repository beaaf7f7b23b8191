"""Read single facts for preflight: each function makes a call and returns its result as a value.

`preflight` runs them at the same time and keeps the failures. Each raises botocore's errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.ec2 import as_filters, read_instances, read_templates
from pipeline.adapters.aws.retry import call, error_code, items
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.preflight.additions import (
    HOOKS,
    NOTIFICATIONS,
    POLICIES,
    SCHEDULES,
    Attached,
)
from pipeline.core.preflight.checks import VCPUS
from pipeline.core.preflight.facts import (
    GroupFacts,
    IdentityFacts,
    Proposal,
    Quota,
    SubnetFacts,
    TemplateFacts,
    TypeFacts,
)
from pipeline.core.state.ownership import other_owner, release_owning

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

STANDBY = frozenset({"EnteringStandby", "Standby"})
"""The lifecycle states of a member that a person took out of service."""
RETAINED = "Terminating:Retained"
"""The lifecycle state of a member that its group keeps after an abandoned termination hook."""
ACTIVE_REFRESH = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
"""The states of an instance refresh that has not ended (API Reference, InstanceRefresh)."""
STANDARD = re.compile(r"(?:a|c|d|h|i|m|r|t|z)\d", re.IGNORECASE)
"""Instance families that count toward the standard vCPU quota (EC2 User Guide, "quotas")."""


def read_identity(clients: Clients, region: str) -> IdentityFacts:
    """Return the account and ARN of the credentials."""
    caller = clients.caller(region)
    return IdentityFacts(account=caller["Account"], arn=caller["Arn"])


def read_type(ec2: EC2Client, name: str) -> TypeFacts | None:
    """Return an instance type; None if the region does not offer it."""
    from botocore.exceptions import ClientError

    names: Any = [name]  # the stubs list every instance type
    try:
        described = call(ec2.describe_instance_types, InstanceTypes=names)["InstanceTypes"][0]
    except ClientError as error:
        if error_code(error) == "InvalidInstanceType":
            return None
        raise
    return TypeFacts(
        name=name,
        architectures=frozenset(described["ProcessorInfo"]["SupportedArchitectures"]),
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
    )


def read_group_facts(
    listed: Callable[[], Iterable[ObservedGroup]], proposal: Proposal
) -> tuple[GroupFacts, ...]:
    """Return the groups of this environment, and those that it would meet, by name.

    These are attached to its load balancers, or have the name of one of its releases. AWS filters
    groups by tags only, and an unmanaged group has none of this program's tags. So all groups of
    the region are `listed`.
    """
    read = (group_facts(each, proposal) for each in listed())
    names = {proposal.group(each) for each in (*proposal.environment.releases, proposal.green)}
    names |= {proposal.launch.unused_name} if proposal.launch else set()
    relevant = (
        each
        for each in read
        if each.release or each.name in names or proposal.configured(each.attached)
    )
    return tuple(sorted(relevant, key=lambda group: group.name))


def group_facts(group: ObservedGroup, proposal: Proposal) -> GroupFacts:
    """Return a group as preflight checks it."""
    return GroupFacts(
        name=group.name,
        release=release_owning(proposal.environment, group.name, group.tags),
        owner=other_owner(proposal.environment, group.tags),
        desired=group.desired,
        attached=group.attached,
        maximum=group.maximum,
        members=frozenset(each.id for each in group.members),
        status=group.status,
        suspended=group.suspended,
        subnets=group.subnets,
        standby=tuple(each.id for each in group.members if each.lifecycle in STANDBY),
        protected=tuple(each.id for each in group.members if each.protected),
        retained=tuple(each.id for each in group.members if each.lifecycle == RETAINED),
        protection=group.protection,
    )


def read_template_facts(ec2: EC2Client, proposal: Proposal) -> tuple[TemplateFacts, ...]:
    """Return which of the launch templates exist: of green, of blue, and of no release."""
    unused = proposal.launch.unused_name if proposal.launch else ""
    wanted = (proposal.group(proposal.green), proposal.template, unused)
    found = read_templates(ec2, [name for name in wanted if name])
    document = proposal.environment
    return tuple(
        TemplateFacts(
            name=each.name,
            release=release_owning(document, each.name, each.tags),
            owner=other_owner(document, each.tags),
        )
        for each in found
    )


def read_refreshes(client: AutoScalingClient, group: str) -> tuple[str, ...]:
    """Return a line for each active instance refresh of a group, newest first.

    A group that does not exist has none: AWS returns a ValidationError.
    """
    from botocore.exceptions import ClientError

    describe = client.describe_instance_refreshes
    try:
        found = call(describe, AutoScalingGroupName=group, MaxRecords=10)["InstanceRefreshes"]
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return ()
        raise
    return tuple(
        f"instance refresh {each['InstanceRefreshId']} is {each['Status']}"
        for each in found
        if each.get("Status") in ACTIVE_REFRESH
    )


def read_attached(client: AutoScalingClient, group: str) -> Attached:
    """Return the scheduled actions, policies, lifecycle hooks and notifications of a group.

    Managed resources, such as a service's own policies, are left out: their owner attaches them.
    """
    named = {"AutoScalingGroupName": group}
    schedules = items(client.describe_scheduled_actions, "ScheduledUpdateGroupActions", **named)
    policies = items(client.describe_policies, "ScalingPolicies", **named)
    hooks = call(client.describe_lifecycle_hooks, AutoScalingGroupName=group)["LifecycleHooks"]
    notifications = items(
        client.describe_notification_configurations,
        "NotificationConfigurations",
        AutoScalingGroupNames=[group],
    )
    return Attached(
        kinds={
            SCHEDULES: frozenset(each["ScheduledActionName"] for each in schedules),
            POLICIES: frozenset(each["PolicyName"] for each in policies),
            HOOKS: frozenset(each["LifecycleHookName"] for each in hooks),
            NOTIFICATIONS: frozenset(each["TopicARN"] for each in notifications),
        }
    )


def read_subnets(ec2: EC2Client, ids: Sequence[str]) -> tuple[SubnetFacts, ...]:
    """Return those of these subnets that exist, by id; with a filter a missing id is no error."""
    found = items(ec2.describe_subnets, "Subnets", Filters=as_filters({"subnet-id": ids}))
    facts = (
        SubnetFacts(
            id=each["SubnetId"],
            zone=each["AvailabilityZone"],
            vpc=each["VpcId"],
            free=each["AvailableIpAddressCount"],
        )
        for each in found
    )
    return tuple(sorted(facts, key=lambda subnet: subnet.id))


def read_group_quota(client: AutoScalingClient) -> Quota:
    """Return the region's quota of Auto Scaling groups, and how many it has."""
    limits = call(client.describe_account_limits)
    most, used = limits["MaxNumberOfAutoScalingGroups"], limits["NumberOfAutoScalingGroups"]
    return Quota(limit=most, used=used)


def read_vcpus(quotas: Any, ec2: EC2Client, instance_type: str) -> Quota | None:
    """Return the quota of vCPUs for standard on-demand instances, and how many are in use.

    None for a type of another family, or if the quota does not exist. The instances are summed
    here because CloudWatch's usage metric is minutes old.
    """
    from botocore.exceptions import ClientError

    if not STANDARD.match(instance_type):
        return None
    try:
        quota = call(quotas.get_service_quota, ServiceCode="ec2", QuotaCode=VCPUS)
    except ClientError as error:
        if error_code(error) == "NoSuchResourceException":
            return None
        raise
    running = read_instances(ec2, {"instance-state-name": ["pending", "running"]})
    return Quota(limit=int(quota["Quota"]["Value"]), used=sum(map(_vcpus, running)))


def _vcpus(instance: Mapping[str, Any]) -> int:
    """Return the vCPUs of an instance that count; spot instances have a quota of their own."""
    if instance.get("InstanceLifecycle") or not STANDARD.match(instance.get("InstanceType", "")):
        return 0
    options = instance.get("CpuOptions", {})
    return int(options.get("CoreCount", 0) * options.get("ThreadsPerCore", 0))


def read_target_quota(elbv2: Any) -> int | None:
    """Return how many targets a target group may have; None if AWS does not return the limit."""
    limits = {
        each["Name"]: each.get("Max") for each in call(elbv2.describe_account_limits)["Limits"]
    }
    most = limits.get("targets-per-target-group")
    return int(most) if most else None
