"""Say which permissions a call of Elastic Load Balancing needs.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic
Load Balancing" and "... V2": every Describe action is judged on `*`, the others on the ARN of the
load balancer, listener, rule or target group that they change. User Guide, "Grant permission to tag
resources during creation" (elasticloadbalancing:CreateAction).
"""

from __future__ import annotations

from collections.abc import Iterator

from local_cloud.permissions.facts import CallFacts
from local_cloud.permissions.parameters import named, structures, tags, texts
from local_cloud.permissions.policy import Question

ARNS = ("LoadBalancerArn", "ListenerArn", "RuleArn", "TargetGroupArn", "ResourceArns")
KINDS = {"network": "net", "gateway": "gwy"}
TAGGED = {"AddTags", "RemoveTags"}


def questions(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions that a call needs."""
    wanted = tags(facts.parameters.get("Tags"))
    if not facts.types:
        yield facts.question()
        return
    found = list(resources_of(facts))
    for resource in found or ["*"]:
        yield facts.question(resource, request_tags=wanted)
    if wanted and facts.action not in TAGGED:
        created = {"elasticloadbalancing:createaction": (facts.action,)}
        yield facts.question(
            (found or ["*"])[0],
            action="elasticloadbalancing:AddTags",
            request_tags=wanted,
            context=created,
        )


def resources_of(facts: CallFacts) -> Iterator[str]:
    """Yield the ARNs of what a call changes or creates; targets of its actions are not changed."""
    given = facts.parameters
    arns = named(given, *ARNS)
    rules = [
        arn
        for each in structures(given.get("RulePriorities"))
        for arn in texts(each.get("RuleArn"))
    ]
    if arns or rules:
        yield from arns or rules
        return
    for name in named(given, "LoadBalancerName", "LoadBalancerNames"):
        yield facts.arn(f"loadbalancer/{name}")
    for name in named(given, "Name"):
        if facts.action == "CreateTargetGroup":
            yield facts.arn(f"targetgroup/{name}/*")
        else:
            kind = KINDS.get(str(given.get("Type")), "app")
            yield facts.arn(f"loadbalancer/{kind}/{name}/*")
