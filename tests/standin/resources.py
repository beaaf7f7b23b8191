"""Create, read and delete launch templates, groups and policies in the AWS provider's order of
calls.

Each creation calls `on_created` when Terraform's state would know the resource, tainted if a later
step fails. For a template that is after the provider's wait of five seconds; for a group it is
before the metrics are enabled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.standin.aws import Aws, AwsError
from tests.standin.root import GROUP, POLICY, TEMPLATE, Root
from tests.standin.state import Instance, new_id

TEMPLATE_SECONDS = 5.0
"""The provider's wait after it created a launch template, in the cloud's seconds."""
_NO_TEMPLATE = "InvalidLaunchTemplateId.NotFound"
_GROUP_BUSY = ("ResourceInUse", "ScalingActivityInProgress")
OnCreated = Callable[[str], None]


class ProviderError(Exception):
    """An error of the provider: its action, then AWS's words."""


def read(aws: Aws, kind: str, id_: str) -> dict[str, Any] | None:
    """Return AWS's description of a resource, or None if it does not exist."""
    try:
        return {TEMPLATE: _read_template, GROUP: _read_group, POLICY: _read_policy}[kind](aws, id_)
    except AwsError as error:
        raise ProviderError(f"reading {WORDS[kind]} ({id_}): {error}") from error


def create(
    aws: Aws, root: Root, address: tuple[str, str], wanted: dict[str, Any], on_created: OnCreated
) -> None:
    """Create a resource; call `on_created` with its ID once the state would know it."""
    kind, _ = address
    make = {TEMPLATE: _create_template, GROUP: _create_group, POLICY: _create_policy}[kind]
    try:
        make(aws, root, wanted, on_created)
    except AwsError as error:
        name = wanted.get("LaunchTemplateName") or wanted.get("AutoScalingGroupName") or address[1]
        raise ProviderError(f"creating {WORDS[kind]} ({name}): {error}") from error


def delete(aws: Aws, root: Root, kind: str, instance: Instance) -> None:
    """Delete a resource and wait until it is gone; a missing one counts as deleted."""
    drop = {TEMPLATE: _delete_template, GROUP: _delete_group, POLICY: _delete_policy}[kind]
    try:
        drop(aws, root, instance)
    except AwsError as error:
        raise ProviderError(f"deleting {WORDS[kind]} ({instance.id}): {error}") from error


WORDS = {
    TEMPLATE: "EC2 Launch Template",
    GROUP: "Auto Scaling Group",
    POLICY: "Auto Scaling Policy",
}

# --- launch templates -----------------------------------------------------------------------------


def _read_template(aws: Aws, id_: str) -> dict[str, Any] | None:
    try:
        answer = aws.call("ec2", "DescribeLaunchTemplates", LaunchTemplateId=[id_])
    except AwsError as error:
        if error.code == _NO_TEMPLATE:
            return None
        raise
    found = answer.find(".//launchTemplates/item")
    if found is None:
        return None
    return {
        "name": found.findtext("launchTemplateName"),
        "latest_version": int(found.findtext("latestVersionNumber") or 0),
    }


def _create_template(aws: Aws, _root: Root, wanted: dict[str, Any], on_created: OnCreated) -> None:
    answer = aws.call("ec2", "CreateLaunchTemplate", ClientToken=new_id(), **wanted)
    aws.sleep(TEMPLATE_SECONDS)
    on_created(answer.findtext(".//launchTemplateId") or "")


def _delete_template(aws: Aws, _root: Root, instance: Instance) -> None:
    try:
        aws.call("ec2", "DeleteLaunchTemplate", LaunchTemplateId=instance.id)
    except AwsError as error:
        if error.code != _NO_TEMPLATE:
            raise


# --- groups ---------------------------------------------------------------------------------------


def _described(aws: Aws, name: str) -> Any:
    answer = aws.call("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
    return answer.find(".//AutoScalingGroups/member")


def _read_group(aws: Aws, id_: str) -> dict[str, Any] | None:
    found = _described(aws, id_)
    return None if found is None else {"name": id_, "arn": found.findtext("AutoScalingGroupARN")}


def _create_group(aws: Aws, root: Root, wanted: dict[str, Any], on_created: OnCreated) -> None:
    name = wanted["AutoScalingGroupName"]
    aws.call("autoscaling", "CreateAutoScalingGroup", **wanted)
    on_created(name)
    metrics = {"Granularity": "1Minute", "Metrics": root.inputs["enabled_metrics"]}
    aws.call("autoscaling", "EnableMetricsCollection", AutoScalingGroupName=name, **metrics)


def _delete_group(aws: Aws, root: Root, instance: Instance) -> None:
    """Scale the group to zero, delete it without force, and wait until it is gone."""
    name = instance.id
    if _described(aws, name) is None:
        return
    deadline = time.monotonic() + root.inputs["deregistration_delay"] + 600
    sizes = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    aws.call("autoscaling", "UpdateAutoScalingGroup", AutoScalingGroupName=name, **sizes)
    _until(aws, deadline, lambda: _members(aws, name) == 0, f"{name}: instances are left")
    _until(aws, deadline, lambda: _deleted(aws, name), f"{name}: still in use")
    _until(aws, deadline, lambda: _described(aws, name) is None, f"{name}: still described")


def _members(aws: Aws, name: str) -> int:
    found = _described(aws, name)
    return 0 if found is None else len(found.findall("Instances/member"))


def _deleted(aws: Aws, name: str) -> bool:
    try:
        aws.call("autoscaling", "DeleteAutoScalingGroup", AutoScalingGroupName=name)
    except AwsError as error:
        if error.code.startswith(_GROUP_BUSY):
            return False
        if "not found" not in error.message:
            raise
    return True


def _until(aws: Aws, deadline: float, so: Callable[[], bool], lacking: str) -> None:
    """Poll until a condition is true, at first often (plugin SDK, `StateChangeConf`)."""
    pause = 0.1
    while not so():
        if time.monotonic() > deadline:
            raise ProviderError(f"waiting for Auto Scaling Group delete: timeout: {lacking}")
        aws.interrupts.sleep(max(pause / aws.speed, 0.05))
        pause = min(2 * pause, 10.0)


# --- policies -------------------------------------------------------------------------------------


def _read_policy(aws: Aws, id_: str) -> dict[str, Any] | None:
    group, name = id_.split("/")
    answer = aws.call("autoscaling", "DescribePolicies", AutoScalingGroupName=group)
    names = [each.findtext("PolicyName") for each in answer.findall(".//ScalingPolicies/member")]
    return {"name": name} if name in names else None


def _create_policy(aws: Aws, root: Root, wanted: dict[str, Any], on_created: OnCreated) -> None:
    group, name = root.name(wanted["release"]), wanted["name"]
    metric = {"PredefinedMetricType": "ASGAverageCPUUtilization"}
    target = {"TargetValue": wanted["target"], "PredefinedMetricSpecification": metric}
    aws.call(
        "autoscaling",
        "PutScalingPolicy",
        AutoScalingGroupName=group,
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=target,
    )
    on_created(f"{group}/{name}")


def _delete_policy(aws: Aws, _root: Root, instance: Instance) -> None:
    group, name = instance.id.split("/")
    aws.call("autoscaling", "DeletePolicy", AutoScalingGroupName=group, PolicyName=name)
