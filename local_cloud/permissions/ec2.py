"""Say which permissions a call of EC2 needs.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2";
EC2 User Guide, "Grant permission to tag Amazon EC2 resources during creation" (ec2:CreateAction),
"Example policies to control access" (launch templates), "Grant permissions to pass an IAM role".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local_cloud.permissions.facts import CallFacts, ResourceType
from local_cloud.permissions.parameters import (
    Parameters,
    every_text,
    named,
    structures,
    tags,
    texts,
)
from local_cloud.permissions.policy import Question
from local_cloud.permissions.ports import Template

ID = re.compile(r"([a-z]+)-[0-9a-f]{8,17}")
TYPES = {
    "acl": "network-acl",
    "ami": "image",
    "cgw": "customer-gateway",
    "dopt": "dhcp-options",
    "eigw": "egress-only-internet-gateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "fleet": "fleet",
    "h": "dedicated-host",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "lt": "launch-template",
    "nat": "natgateway",
    "pcx": "vpc-peering-connection",
    "pg": "placement-group",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sfr": "spot-fleet-request",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "tgw": "transit-gateway",
    "vgw": "vpn-gateway",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
    "vpn": "vpn-connection",
}
WITHOUT_ACCOUNT = {"image", "snapshot"}
PASS_ROLE = {
    "RunInstances",
    "AssociateIamInstanceProfile",
    "ReplaceIamInstanceProfileAssociation",
    "RequestSpotInstances",
}
# What a template and the call name differently.
IN_TEMPLATES = {"NetworkInterfaces": "NetworkInterface", "SecurityGroupIds": "SecurityGroupId"}


def questions(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions that a call needs, in the order in which EC2 asks for them."""
    if facts.action in {"CreateTags", "DeleteTags"}:
        yield from of_tags(facts)
        return
    template = used_template(facts)
    given = merged(facts.parameters, template)
    specified = tags_by_type(given)
    for resource, kind in resources_of(facts, given, template):
        yield facts.question(
            resource,
            request_tags=specified.get(kind.name, {}) if kind.is_new else {},
            context=of_launch(facts, kind, given, template),
        )
    if not facts.types:
        yield facts.question()
    for name, wanted in specified.items():
        if wanted:
            yield tagging(facts, name, wanted)
    yield from passing(facts, given)


def of_tags(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions to tag resources that exist."""
    wanted = tags(facts.parameters.get("Tag"))
    for resource in named(facts.parameters, "ResourceId"):
        found = ID.fullmatch(resource)
        kind = TYPES.get(found[1], "*") if found else "*"
        yield facts.question(arn(facts, kind, resource), request_tags=wanted)


def tagging(facts: CallFacts, kind: str, wanted: Mapping[str, str]) -> Question:
    """Return the permission to tag what a call creates."""
    created = {"ec2:createaction": (facts.action,)}
    return facts.question(
        arn(facts, kind, "*"), action="ec2:CreateTags", request_tags=wanted, context=created
    )


def passing(facts: CallFacts, given: Parameters) -> Iterator[Question]:
    """Yield the permission to pass the role of an instance profile."""
    profile = given.get("IamInstanceProfile")
    if facts.action in PASS_ROLE and isinstance(profile, dict):
        for name in texts(profile.get("Arn")) or texts(profile.get("Name")):
            for role in facts.models.roles_of_profile(name):
                yield facts.pass_role(role, "ec2")


def arn(facts: CallFacts, kind: str, name: str) -> str:
    """Return the ARN of a resource of EC2."""
    if kind in WITHOUT_ACCOUNT:
        return facts.arn(f"{kind}/{name}", service="ec2", account="")
    return facts.arn(f"{kind}/{name}", service="ec2")


def used_template(facts: CallFacts) -> Template | None:
    """Return the launch template that a launch uses."""
    wanted = facts.parameters.get("LaunchTemplate")
    if facts.action != "RunInstances" or not isinstance(wanted, dict):
        return None
    return facts.models.template(facts.region, wanted)


def merged(parameters: Parameters, template: Template | None) -> dict[str, Any]:
    """Return the parameters of a launch; those of the call override those of its template."""
    data = template.data if template else {}
    return {**{IN_TEMPLATES.get(name, name): value for name, value in data.items()}, **parameters}


def tags_by_type(given: Parameters) -> dict[str, dict[str, str]]:
    """Return the tags that a call gives to what it creates, by type of resource."""
    both = [*structures(given.get("TagSpecification")), *structures(given.get("TagSpecifications"))]
    return {
        str(each.get("ResourceType", "")): tags(each.get("Tag") or each.get("Tags"))
        for each in reversed(both)
    }


def resources_of(
    facts: CallFacts, given: Parameters, template: Template | None
) -> Iterator[tuple[str, ResourceType]]:
    """Yield the resources of a call by the types of its action."""
    for kind in facts.types:
        if kind.is_new:
            if kind.is_required:
                yield arn(facts, kind.name, "*"), kind
            continue
        found = list(names_of(facts, kind.name, given, template))
        for name in found or ["*"] * kind.is_required:
            yield arn(facts, kind.name, name), kind


def names_of(
    facts: CallFacts, kind: str, given: Parameters, template: Template | None
) -> Iterator[str]:
    """Yield the names of the resources of one type in a call; those on top hide others."""
    match kind:
        case "key-pair":
            yield from named(given, "KeyName", "KeyPairId")
            return
        case "launch-template":
            wanted = template or facts.models.template(facts.region, given)
            if wanted:
                yield wanted.id
                return
    on_top = [text for value in given.values() for text in texts(value)]
    for values in (on_top, list(every_text(dict(given)))):
        if found := [text for text in values if is_id_of(kind, text)]:
            yield from dict.fromkeys(found)
            return


def is_id_of(kind: str, text: str) -> bool:
    """Return True if a text is the id of a resource of a type."""
    found = ID.fullmatch(text)
    return found is not None and TYPES.get(found[1]) == kind


def of_launch(
    facts: CallFacts, kind: ResourceType, given: Parameters, template: Template | None
) -> dict[str, tuple[str, ...]]:
    """Return the keys that only a launch has."""
    if facts.action != "RunInstances":
        return {}
    keys = {}
    if kind.name == "instance" and (wanted := texts(given.get("InstanceType"))):
        keys["ec2:instancetype"] = tuple(wanted)
    if template:
        overridden = any(is_id_of(kind.name, t) for t in every_text(dict(facts.parameters)))
        keys["ec2:launchtemplate"] = (template.arn,)
        keys["ec2:islaunchtemplateresource"] = ("false" if overridden else "true",)
    return keys
