"""Say which permissions a call of Auto Scaling needs.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2
Auto Scaling": every Describe action is judged on `*`, the others on the ARN of their group. User
Guide, "Launch template support": a caller that gives a template to a group needs ec2:RunInstances,
ec2:CreateTags for tags in it and iam:PassRole for its instance profile; without one of them
"You are not authorized to use launch template" ("Troubleshoot: launch templates"). Its example
"Restrict access to Amazon EC2 resources" names the subnet of the group, so that is judged, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from local_cloud.permissions import ec2
from local_cloud.permissions.facts import CallFacts
from local_cloud.permissions.parameters import Parameters, named, structures, tags, texts
from local_cloud.permissions.policy import Question

TAKES_TEMPLATE = {"CreateAutoScalingGroup", "UpdateAutoScalingGroup", "StartInstanceRefresh"}


def questions(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions that a call needs."""
    kinds = [kind.name for kind in facts.types]
    if "autoScalingGroup" in kinds:
        wanted = tags(facts.parameters.get("Tags"))
        for name in dict.fromkeys(groups(facts)) or ["*"]:
            yield facts.question(group_arn(facts, name), request_tags=wanted)
    elif "launchConfiguration" in kinds:
        for name in named(facts.parameters, "LaunchConfigurationName") or ["*"]:
            kind = f"launchConfiguration:*:launchConfigurationName/{name}"
            yield facts.question(facts.arn(kind))
    else:
        yield facts.question()
    yield from passing(facts)
    if facts.action in TAKES_TEMPLATE:
        for template in templates(facts.parameters):
            yield from launching(facts, template)


def groups(facts: CallFacts) -> Iterator[str]:
    """Yield the names of the groups of a call."""
    yield from named(facts.parameters, "AutoScalingGroupName")
    for tag in structures(facts.parameters.get("Tags")):
        yield from texts(tag.get("ResourceId"))
    for instance in texts(facts.parameters.get("InstanceId")):
        if group := facts.models.group_of(facts.region, instance):
            yield group


def group_arn(facts: CallFacts, name: str) -> str:
    """Return the ARN of a group; one that does not exist has `*` for its UUID."""
    known = facts.models.group_arn(facts.region, name)
    return known or facts.arn(f"autoScalingGroup:*:autoScalingGroupName/{name}")


def passing(facts: CallFacts) -> Iterator[Question]:
    """Yield the permission to pass the role of a lifecycle hook."""
    hooks = structures(facts.parameters.get("LifecycleHookSpecificationList"))
    for given in (facts.parameters, *hooks):
        for role in texts(given.get("RoleARN")):
            yield facts.pass_role(role, "autoscaling")


def templates(given: Any) -> Iterator[Parameters]:
    """Yield every launch template that a group would take, also from a mixed instances policy."""
    if isinstance(given, list):
        for each in given:
            yield from templates(each)
    elif isinstance(given, dict):
        if "LaunchTemplateId" in given or "LaunchTemplateName" in given:
            yield given
        for each in given.values():
            yield from templates(each)


def subnets(facts: CallFacts) -> Iterator[str]:
    """Yield the subnets that the group would have after the call."""
    if given := named(facts.parameters, "VPCZoneIdentifier"):
        yield from given[0].replace(" ", "").split(",")
        return
    for group in named(facts.parameters, "AutoScalingGroupName"):
        yield from facts.models.subnets_of(facts.region, group)


def launching(facts: CallFacts, wanted: Parameters) -> Iterator[Question]:
    """Yield the permissions to launch from a template; one that does not exist needs none."""
    template = facts.models.template(facts.region, wanted)
    if template is None:
        return
    why = f"You are not authorized to use launch template: {template.id}"
    parameters = {"LaunchTemplate": wanted, "SubnetId": list(subnets(facts))}
    launch = dataclasses.replace(facts, service="ec2", action="RunInstances", parameters=parameters)
    for question in ec2.questions(launch):
        yield dataclasses.replace(question, because=why)
