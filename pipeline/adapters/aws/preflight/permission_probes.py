"""Prove permissions with calls that change nothing: preflight's probes.

They also prove reads that a deployment needs only after its first change.

EC2 judges a call with DryRun and answers DryRunOperation or UnauthorizedOperation (EC2 API
Reference, "DryRun"). Auto Scaling has no DryRun. It checks the caller before the group, so a call
on a group that does not exist is AccessDenied, or ValidationError if the caller may make it. Most
of these calls would change nothing even if the group existed: they lack a required argument or
name something else that does not exist. None is made if the group or the template does exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.retry import BAD_CREDENTIALS, DENIED, call, error_code, is_transient
from pipeline.core.permissions.probes import (
    Answer,
    Launch,
    PermissionFacts,
    Probe,
    ProbeResult,
    probes_of,
    unproven,
)

THREADS = 8
NO_TEMPLATE = "lt-00000000000000000"
"""An id of the right form that no launch template has."""
DRY = "DryRunOperation"
_DENIAL = re.compile(r"not authorized to perform: (\w+:\w+)(?: on resource: (\S+))?")

Request = tuple[str, dict[str, Any]]
"""The name of a client's method, and its arguments."""


class PermissionProber:
    """Makes the probes of a region's launches; they run at the same time."""

    def __init__(self, clients: Clients, region: str) -> None:
        # Threads may share a client but must not make one.
        self._clients = {"autoscaling": clients.autoscaling(region), "ec2": clients.ec2(region)}

    def probe(self, launch: Launch) -> PermissionFacts:
        """Make every probe; raises botocore's error for credentials that AWS does not accept.

        The caller has made sure that no group and no launch template has the unused name.
        """
        probes = probes_of(launch)
        with ThreadPoolExecutor(THREADS) as pool:
            results = tuple(pool.map(lambda each: self._result(each, launch), probes))
        return PermissionFacts(results=results, unproven=unproven(launch))

    def _result(self, probe: Probe, launch: Launch) -> ProbeResult:
        from botocore.exceptions import BotoCoreError, ClientError

        name, arguments = REQUESTS[probe.action](launch)
        if probe.group:
            arguments |= {"AutoScalingGroupName": probe.group}
        client = self._clients[probe.action.partition(":")[0]]
        try:
            call(getattr(client, name), **arguments)
        except ClientError as error:
            if error_code(error) in BAD_CREDENTIALS:
                raise
            return judge(probe, error)
        except BotoCoreError as error:
            return _result(probe, Answer.UNKNOWN, str(error))
        return _result(probe, Answer.ALLOWED)


def judge(probe: Probe, error: Any) -> ProbeResult:
    """Return what AWS's error says about the permission.

    A launch template that the caller may not use is a ValidationError in some answers of Auto
    Scaling, so the message counts, too.
    """
    code, text = error_code(error), str(error)
    if found := _DENIAL.search(text):
        return ProbeResult(
            probe=probe,
            answer=Answer.DENIED,
            action=found[1],
            resource=found[2] or "",
            why=text,
        )
    if code in DENIED or "not authorized" in text:
        return _result(probe, Answer.DENIED, text)
    if is_transient(error, reached=True):
        return _result(probe, Answer.UNKNOWN, text)
    is_ec2 = probe.action.startswith("ec2:")
    if code == DRY or not is_ec2:
        return _result(probe, Answer.ALLOWED)
    return _result(probe, Answer.UNKNOWN, text)


def _result(probe: Probe, answer: Answer, why: str = "") -> ProbeResult:
    return ProbeResult(probe=probe, answer=answer, action=probe.action, why=why)


# --- EC2 ------------------------------------------------------------------------------------------


def _run_instances(launch: Launch) -> Request:
    """Return a launch like that of the new group; the serving release's template is the base."""
    given: dict[str, Any] = {
        "ImageId": launch.image_id,
        "InstanceType": launch.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
    }
    optional: dict[str, Any] = {
        "LaunchTemplate": {"LaunchTemplateName": launch.template} if launch.template else None,
        "SubnetId": launch.subnets[0] if launch.subnets else None,
        "SecurityGroupIds": [*launch.security_groups],
        "KeyName": launch.key_pair,
        "IamInstanceProfile": _profile(launch.profile),
        "TagSpecifications": _tags(launch, "instance", "volume", "network-interface"),
    }
    given |= {name: value for name, value in optional.items() if value}
    return "run_instances", {**given, "DryRun": True}


def _profile(profile: str) -> dict[str, str] | None:
    if not profile:
        return None
    return {"Arn" if profile.startswith("arn:") else "Name": profile}


def _tags(launch: Launch, *kinds: str) -> list[dict[str, Any]]:
    """Return the tags of the shipped module; none for a module that may tag otherwise."""
    tags = [{"Key": key, "Value": value} for key, value in launch.tags.items()]
    return [{"ResourceType": kind, "Tags": tags} for kind in kinds] if launch.shipped else []


def _create_template(launch: Launch) -> Request:
    data = {"ImageId": launch.image_id, "InstanceType": launch.instance_type}
    tags = _tags(launch, "launch-template")
    given = {"TagSpecifications": tags} if tags else {}
    return "create_launch_template", {
        "LaunchTemplateName": launch.unused_name,
        "LaunchTemplateData": data,
        "DryRun": True,
        **given,
    }


def _delete_template(launch: Launch) -> Request:
    return "delete_launch_template", {"LaunchTemplateName": launch.template, "DryRun": True}


def _tag_image(launch: Launch) -> Request:
    tags = [{"Key": "ami-pipeline:status", "Value": "quarantined"}]
    return "create_tags", {"Resources": [launch.image_id], "Tags": tags, "DryRun": True}


# --- Auto Scaling ---------------------------------------------------------------------------------


def _on_group(name: str, **arguments: Any) -> Callable[[Launch], Request]:
    def request(launch: Launch) -> Request:
        return name, {"AutoScalingGroupName": launch.unused_name, **arguments}

    return request


def _traffic_sources(name: str) -> Callable[[Launch], Request]:
    """Return a request about a load balancer that does not exist either."""

    def request(launch: Launch) -> Request:
        source = {"Identifier": launch.unused_name, "Type": "elb"}
        return name, {"AutoScalingGroupName": launch.unused_name, "TrafficSources": [source]}

    return request


def _tag_group(launch: Launch) -> Request:
    tag = {"Key": "ami-pipeline:release", "Value": launch.tags["ami-pipeline:release"]}
    group = {"ResourceId": launch.unused_name, "ResourceType": "auto-scaling-group"}
    return "create_or_update_tags", {"Tags": [{**group, **tag, "PropagateAtLaunch": False}]}


def _dry(name: str, **arguments: Any) -> Callable[[Launch], Request]:
    """Return a request to read, which EC2 only judges."""
    return lambda _: (name, {**arguments, "DryRun": True})


REQUESTS: dict[str, Callable[[Launch], Request]] = {
    "ec2:RunInstances": _run_instances,
    "ec2:CreateLaunchTemplate": _create_template,
    "ec2:DeleteLaunchTemplate": _delete_template,
    "ec2:CreateTags": _tag_image,
    "ec2:DescribeInstances": _dry("describe_instances"),
    "ec2:DescribeLaunchTemplateVersions": _dry(
        "describe_launch_template_versions", Versions=["$Latest"]
    ),
    "autoscaling:DescribeScalingActivities": _on_group("describe_scaling_activities"),
    "autoscaling:DescribePolicies": _on_group("describe_policies"),
    "autoscaling:DescribeScheduledActions": _on_group("describe_scheduled_actions"),
    "autoscaling:AttachTrafficSources": _traffic_sources("attach_traffic_sources"),
    "autoscaling:DetachTrafficSources": _traffic_sources("detach_traffic_sources"),
    "autoscaling:CreateAutoScalingGroup": _on_group(
        "create_auto_scaling_group",
        LaunchTemplate={"LaunchTemplateId": NO_TEMPLATE, "Version": "1"},
        MinSize=0,
        MaxSize=0,
    ),
    # Without any setting it changes nothing.
    "autoscaling:UpdateAutoScalingGroup": _on_group("update_auto_scaling_group"),
    # Without ForceDelete: a group with instances is not deleted.
    "autoscaling:DeleteAutoScalingGroup": _on_group("delete_auto_scaling_group"),
    "autoscaling:CreateOrUpdateTags": _tag_group,
    "autoscaling:EnableMetricsCollection": _on_group(
        "enable_metrics_collection", Granularity="1Minute", Metrics=["GroupTotalInstances"]
    ),
    # A new hook needs LifecycleTransition.
    "autoscaling:PutLifecycleHook": _on_group("put_lifecycle_hook", LifecycleHookName="r000000"),
    # A policy of this type needs AdjustmentType.
    "autoscaling:PutScalingPolicy": _on_group(
        "put_scaling_policy", PolicyName="r000000", PolicyType="SimpleScaling"
    ),
    "autoscaling:DeletePolicy": _on_group("delete_policy", PolicyName="r000000"),
    # A scheduled action needs a time.
    "autoscaling:PutScheduledUpdateGroupAction": _on_group(
        "put_scheduled_update_group_action", ScheduledActionName="r000000"
    ),
    "autoscaling:DeleteScheduledAction": _on_group(
        "delete_scheduled_action", ScheduledActionName="r000000"
    ),
}
"""The request of each probe, by the action that it proves."""
