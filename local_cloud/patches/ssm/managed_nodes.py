"""Patch managed nodes: the instances whose SSM Agent answers.

Systems Manager User Guide, "Configure instance permissions": the agent needs an instance profile
whose role allows it to report (AmazonSSMManagedInstanceCore). Here every instance has the agent
from its boot on.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.permissions.conditions import PolicyError
from local_cloud.permissions.policy import Decision, Policy, Question, read_policy

log = logging.getLogger(__name__)

Ping: TypeAlias = Literal["Online", "ConnectionLost"]
PINGS: dict[str, Ping] = {
    "running": "Online",
    "pending": "ConnectionLost",
    "stopping": "ConnectionLost",
    "stopped": "ConnectionLost",
}
REPORT = "ssm:UpdateInstanceInformation"
CHANNELS = ("ssmmessages:CreateControlChannel", "ec2messages:GetMessages")
AGENT = "3.3.2299.0"
PAGE = 50
KEYS = {"InstanceIds", "PingStatus", "ResourceType", "PlatformTypes", "tag-key"}


class SsmError(ServiceException):
    """An error of Systems Manager; moto finds its form by the module of the class."""


# DescribeInstanceInformation lists the nodes, also those whose agent does not answer at present
# (API Reference); moto does not have it.
@patch(SimpleSystemManagerResponse, "describe_instance_information")
def describe_instance_information(context: Context, _original: Any, response: Any) -> Any:
    """Describe the managed nodes."""
    given = filters(response)
    found = [
        (instance, ping)
        for instance, ping in nodes(context, response.current_account, response.region)
        if all(matches(instance, ping, key, values) for key, values in given.items())
    ]
    start = int(response._get_param("NextToken") or 0)  # noqa: SLF001  moto's accessor
    end = start + int(response._get_param("MaxResults") or PAGE)  # noqa: SLF001  the same
    page = [described(instance, ping) for instance, ping in found[start:end]]
    more = {"NextToken": str(end)} if end < len(found) else {}
    return ActionResult({"InstanceInformationList": page, **more})


def nodes(context: Context, account: str, region: str) -> Iterator[tuple[Any, Ping]]:
    """Yield the managed nodes of a region and whether their agent answers."""
    for instance in ec2_backends[account][region].all_instances():
        if ping := ping_of(context, instance):
            yield instance, ping


def ping_of(context: Context, instance: Any) -> Ping | None:
    """Return whether the agent of an instance answers; None if it is no managed node."""
    if instance.state not in PINGS or not context.cloud.has_agent(instance.id):
        return None
    if not may_report(instance):
        return None
    answers = context.cloud.has_booted(instance.id)
    return PINGS[instance.state] if answers else "ConnectionLost"


def may_report(instance: Any) -> bool:
    """Return True if the role of an instance lets its agent register and get commands."""
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    if association is None:
        return False
    policies = [
        policy for role in association.iam_instance_profile.roles for policy in policies_of(role)
    ]

    def allowed(action: str) -> bool:
        decisions = [policy.decide(Question(action=action)) for policy in policies]
        return Decision.ALLOWED in decisions and Decision.DENIED not in decisions

    return allowed(REPORT) and any(map(allowed, CHANNELS))


def policies_of(role: Any) -> Iterator[Policy]:
    """Yield the inline and the attached policies of a role that can be read."""
    texts = list(role.policies.values())
    for managed in role.managed_policies.values():
        texts += [each.document for each in managed.versions if each.is_default]
    for text in texts:
        try:
            yield read_policy(json.loads(text))
        except PolicyError as error:
            log.warning("a policy of the role %s counts for nothing: %s", role.name, error)


def filters(response: Any) -> dict[str, list[str]]:
    """Return the filters of a call in either of its two forms."""
    new = response._get_param("Filters") or []  # noqa: SLF001  moto's accessor
    old = response._get_param("InstanceInformationFilterList") or []  # noqa: SLF001  the same
    found = {each["Key"]: each["Values"] for each in new}
    found |= {each["key"]: each["valueSet"] for each in old}
    for key in found.keys() - KEYS:
        if not key.startswith("tag:"):
            raise SsmError("InvalidFilterKey", f"The filter key {key} is not valid.")
    return found


def matches(instance: Any, ping: Ping, key: str, values: list[str]) -> bool:
    """Return True if a node has one of the values of a filter."""
    facts = {
        "InstanceIds": {instance.id},
        "PingStatus": {ping},
        "ResourceType": {"EC2Instance"},
        "PlatformTypes": {"Linux"},
        "tag-key": {tag["key"] for tag in instance.get_tags()},
    }
    tagged = {tag["value"] for tag in instance.get_tags() if f"tag:{tag['key']}" == key}
    return bool(facts.get(key, tagged) & set(values))


def described(instance: Any, ping: Ping) -> dict[str, Any]:
    """Return a node as AWS describes it."""
    address = instance.private_ip
    return {
        "InstanceId": instance.id,
        "PingStatus": ping,
        "LastPingDateTime": dt.datetime.now(dt.UTC),
        "AgentVersion": AGENT,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": address,
        "ComputerName": f"ip-{address.replace('.', '-')}.ec2.internal",
        "SourceId": instance.id,
        "SourceType": "AWS::EC2::Instance",
    }
