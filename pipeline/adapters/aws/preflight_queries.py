"""What preflight asks AWS, one function for each fact: a call, and its answer as a value.

Apart from `survey`, which asks all of it at the same time and keeps what fails. Each raises
botocore's errors as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients, call, error_code
from pipeline.core.image import TAG_PREFIX
from pipeline.core.preflight.checks import VCPUS
from pipeline.core.preflight.facts import (
    CredentialFacts,
    GroupFacts,
    IdentityFacts,
    ImageFacts,
    Proposal,
    Quota,
    SubnetFacts,
    TypeFacts,
)

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from mypy_boto3_ec2 import EC2Client

GROUPS = 100
"""Groups in a page, the most DescribeAutoScalingGroups gives."""
INSTANCES = 1000

UNDER_WAY = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
"""The states of an instance refresh that is not over (API Reference, InstanceRefresh)."""
STANDARD = re.compile(r"(?:a|c|d|h|i|m|r|t|z)\d", re.IGNORECASE)
"""Families that the vCPU quota of standard instances counts (EC2 User Guide, "quotas")."""
NOT_RENEWED = frozenset({"env", "explicit", "shared-credentials-file", "config-file"})
"""botocore's names of providers that give what was written somewhere, and no more."""
EXPIRATIONS = ("AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION")
"""The first is what the AWS CLI and aws-vault export and botocore reads, the second older."""


def read_identity(clients: Clients, region: str) -> IdentityFacts:
    """Return who we are."""
    said = clients.caller(region)
    return IdentityFacts(account=said["Account"], arn=said["Arn"])


def read_credentials(environ: Mapping[str, str] = os.environ) -> CredentialFacts | None:
    """Return how long the credentials of boto3's default session last; None where it has none.

    botocore renews what it got by a role, SSO or a program; what stands in the environment or in
    a file stays as it is, whether it says when it ends or not.
    """
    import boto3

    session: Any = boto3.DEFAULT_SESSION or boto3.Session()
    held = session.get_credentials()
    if held is None:
        return None
    if held.method not in NOT_RENEWED:
        return CredentialFacts(temporary=True, renew=True)
    ends = getattr(held, "_expiry_time", None) or _told(environ)
    if ends is None:
        return CredentialFacts(temporary=bool(held.token), renew=False)
    seconds = (ends - datetime.now(UTC)).total_seconds()
    return CredentialFacts(temporary=True, renew=False, seconds=seconds)


def _told(environ: Mapping[str, str]) -> datetime | None:
    written = next((environ[name] for name in EXPIRATIONS if environ.get(name)), "")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_image(ec2: EC2Client, image_id: str) -> ImageFacts | None:
    """Return an AMI, disabled and deprecated ones too; None where we may not even see it."""
    found = call(
        ec2.describe_images,
        Filters=[{"Name": "image-id", "Values": [image_id]}],
        IncludeDeprecated=True,
        IncludeDisabled=True,
    )["Images"]
    if not found:
        return None
    image = found[0]
    return ImageFacts(
        id=image_id,
        state=image.get("State", ""),
        owner=image.get("OwnerId", ""),
        architecture=image.get("Architecture", ""),
        root_device=image.get("RootDeviceName", ""),
        deprecated=_is_past(image.get("DeprecationTime", "")),
        reason=image.get("StateReason", {}).get("Message", ""),
    )


def _is_past(moment: str) -> bool:
    return bool(moment) and datetime.fromisoformat(moment) <= datetime.now(UTC)


def read_type(ec2: EC2Client, name: str) -> TypeFacts | None:
    """Return an instance type; None where the region has none of that name."""
    from botocore.exceptions import ClientError

    asked: Any = [name]  # the stubs list every type there is
    try:
        said = call(ec2.describe_instance_types, InstanceTypes=asked)["InstanceTypes"][0]
    except ClientError as error:
        if error_code(error) == "InvalidInstanceType":
            return None
        raise
    return TypeFacts(
        name=name,
        architectures=frozenset(said["ProcessorInfo"]["SupportedArchitectures"]),
        vcpus=said["VCpuInfo"]["DefaultVCpus"],
    )


def read_groups(client: AutoScalingClient, proposal: Proposal) -> tuple[GroupFacts, ...]:
    """Return the groups that are ours, and those attached to our load balancers.

    All groups of the region are read, for AWS filters by tags only, and a stranger's has none.
    """
    balancers = {each.identifier for each in proposal.place.balancers}
    read = (group_facts(each, proposal) for each in _all_groups(client))
    ours = (each for each in read if each.release or each.attached & balancers)
    return tuple(sorted(ours, key=lambda group: group.name))


def _all_groups(client: AutoScalingClient) -> Iterator[AutoScalingGroupTypeDef]:
    page = call(client.describe_auto_scaling_groups, MaxRecords=GROUPS)
    yield from page["AutoScalingGroups"]
    while token := page.get("NextToken"):
        page = call(client.describe_auto_scaling_groups, MaxRecords=GROUPS, NextToken=token)
        yield from page["AutoScalingGroups"]


def group_facts(said: AutoScalingGroupTypeDef, proposal: Proposal) -> GroupFacts:
    """Return a group of DescribeAutoScalingGroups; `attached` keeps our load balancers only."""
    balancers = {each.identifier for each in proposal.place.balancers}
    sources = {each["Identifier"] for each in said.get("TrafficSources", [])}
    sources |= {*said.get("LoadBalancerNames", []), *said.get("TargetGroupARNs", [])}
    members = said.get("Instances", [])
    aside = ("EnteringStandby", "Standby")
    return GroupFacts(
        name=said["AutoScalingGroupName"],
        release=_release(said, proposal),
        desired=said["DesiredCapacity"],
        attached=frozenset(sources & balancers),
        members=frozenset(each["InstanceId"] for each in members),
        status=said.get("Status") or "",
        suspended=frozenset(
            each.get("ProcessName", "") for each in said.get("SuspendedProcesses", [])
        ),
        subnets=tuple(filter(None, said.get("VPCZoneIdentifier", "").split(","))),
        standby=tuple(each["InstanceId"] for each in members if each["LifecycleState"] in aside),
        protected=tuple(each["InstanceId"] for each in members if each["ProtectedFromScaleIn"]),
    )


def _release(said: AutoScalingGroupTypeDef, proposal: Proposal) -> str:
    """Return the release of a group of ours: by its name, else by its tags."""
    app, environment = proposal.place.app, proposal.place.environment
    name = said["AutoScalingGroupName"]
    if found := re.fullmatch(rf"{re.escape(f'{app}-{environment}-')}(r\d{{6,}})", name):
        return found[1]
    tags = {each["Key"]: each.get("Value", "") for each in said.get("Tags", [])}
    here = (tags.get(TAG_PREFIX + "app"), tags.get(TAG_PREFIX + "environment"))
    return tags.get(TAG_PREFIX + "release", "") if here == (app, environment) else ""


def read_templates(ec2: EC2Client, name: str) -> frozenset[str]:
    """Return the name, if a launch template has it."""
    named: Any = [{"Name": "launch-template-name", "Values": [name]}]
    found = call(ec2.describe_launch_templates, Filters=named)["LaunchTemplates"]
    return frozenset(each["LaunchTemplateName"] for each in found)


def read_refreshes(client: AutoScalingClient, group: str) -> tuple[str, ...]:
    """Return a line for each instance refresh of a group that is not over; newest come first.

    Of a group that is not there, none: AWS answers a ValidationError.
    """
    from botocore.exceptions import ClientError

    ask = client.describe_instance_refreshes
    try:
        found = call(ask, AutoScalingGroupName=group, MaxRecords=10)["InstanceRefreshes"]
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return ()
        raise
    return tuple(
        f"instance refresh {each['InstanceRefreshId']} is {each['Status']}"
        for each in found
        if each.get("Status") in UNDER_WAY
    )


def read_subnets(ec2: EC2Client, ids: Sequence[str]) -> tuple[SubnetFacts, ...]:
    """Return those of these subnets that exist; a filter, so that one that does not is no error."""
    named: Any = [{"Name": "subnet-id", "Values": list(ids)}]
    found = call(ec2.describe_subnets, Filters=named)["Subnets"]
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
    """Return how many groups the region may have and has."""
    said = call(client.describe_account_limits)
    return Quota(limit=said["MaxNumberOfAutoScalingGroups"], used=said["NumberOfAutoScalingGroups"])


def read_vcpus(quotas: Any, ec2: EC2Client, instance_type: str) -> Quota | None:
    """Return the vCPUs that standard on-demand instances may use and do use.

    None for a type of another family, and where there is no such quota. What is in use is summed
    from the instances, for CloudWatch's usage metric is minutes old.
    """
    from botocore.exceptions import ClientError

    if not STANDARD.match(instance_type):
        return None
    try:
        said = call(quotas.get_service_quota, ServiceCode="ec2", QuotaCode=VCPUS)
    except ClientError as error:
        if error_code(error) == "NoSuchResourceException":
            return None
        raise
    return Quota(limit=int(said["Quota"]["Value"]), used=sum(map(_vcpus, _instances(ec2))))


def _instances(ec2: EC2Client) -> Iterator[Mapping[str, Any]]:
    alive: Any = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    page = call(ec2.describe_instances, Filters=alive, MaxResults=INSTANCES)
    yield from (each for found in page["Reservations"] for each in found["Instances"])
    while token := page.get("NextToken"):
        page = call(ec2.describe_instances, Filters=alive, MaxResults=INSTANCES, NextToken=token)
        yield from (each for found in page["Reservations"] for each in found["Instances"])


def _vcpus(instance: Mapping[str, Any]) -> int:
    """Return what an instance takes of the quota; spot instances have one of their own."""
    if instance.get("InstanceLifecycle") or not STANDARD.match(instance["InstanceType"]):
        return 0
    options = instance.get("CpuOptions", {})
    return int(options.get("CoreCount", 0) * options.get("ThreadsPerCore", 0))


def read_targets(elbv2: Any) -> int | None:
    """Return how many targets a target group may have; None where AWS does not say."""
    limits = {
        each["Name"]: each.get("Max") for each in call(elbv2.describe_account_limits)["Limits"]
    }
    most = limits.get("targets-per-target-group")
    return int(most) if most else None
