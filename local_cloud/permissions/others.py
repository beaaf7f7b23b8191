"""Say which permissions a call of CloudWatch, IAM, KMS, SNS, SSM, Service Quotas and STS needs.

Source: Service Authorization Reference, the page of each service. A resource is found by the
parameter that names it.
"""

from __future__ import annotations

from collections.abc import Iterator

from local_cloud.options import ACCOUNT
from local_cloud.permissions.facts import CallFacts, ResourceType
from local_cloud.permissions.parameters import named, tags
from local_cloud.permissions.policy import Question

# Service and type -> the parameters that name a resource, and the rest of its ARN.
NAMED = {
    ("cloudwatch", "alarm"): (("AlarmName", "AlarmNames"), "alarm:"),
    ("cloudwatch", "dashboard"): (("DashboardName", "DashboardNames"), "dashboard/"),
    ("iam", "group"): (("GroupName",), "group/"),
    ("iam", "instance-profile"): (("InstanceProfileName",), "instance-profile/"),
    ("iam", "policy"): (("PolicyArn", "PolicyName"), "policy/"),
    ("iam", "role"): (("RoleName",), "role/"),
    ("iam", "user"): (("UserName",), "user/"),
    ("kms", "alias"): (("AliasName",), ""),
    ("kms", "key"): (("KeyId", "TargetKeyId"), "key/"),
    ("sns", "topic"): (("TopicArn", "Name", "ResourceArn"), ""),
    ("ssm", "document"): (("DocumentName", "Name"), "document/"),
    ("ssm", "instance"): (("InstanceIds", "Target"), "instance/"),
    ("ssm", "parameter"): (("Name", "Names", "Path"), "parameter/"),
    ("ssm", "session"): (("SessionId",), "session/"),
    ("sts", "role"): (("RoleArn",), "role/"),
}
GLOBAL = {"iam", "sts"}
PUBLIC = ("/aws/service/", "AWS-", "Amazon-")
"""The parameters and documents of AWS belong to no account (Systems Manager User Guide)."""
PASSED_TO = {"AddRoleToInstanceProfile": "ec2"}


def questions(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions that a call needs."""
    if facts.name == "kms:ReEncrypt":
        yield from of_re_encryption(facts)
        return
    if facts.name == "ssm:SendCommand":
        yield from of_command(facts)
        return
    wanted = tags(facts.parameters.get("Tags"))
    found = [arn for kind in facts.types for arn in arns(facts, kind)]
    for resource in found or ["*"]:
        yield facts.question(resource, request_tags=wanted)
    if service := PASSED_TO.get(facts.action):
        for name in named(facts.parameters, "RoleName"):
            yield facts.pass_role(f"arn:aws:iam::{ACCOUNT}:role/{name}", service)


def of_command(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions for the document of a command and for each of its nodes.

    Their tags are ssm:resourceTag (Systems Manager User Guide, "Restricting Run Command access
    based on tags"). Nodes that Targets choose are judged as all instances, without tags.
    """
    for document in arns(facts, ResourceType(name="document", is_new=False, is_required=True)):
        yield facts.question(document)
    for name in named(facts.parameters, "InstanceIds") or ["*"]:
        node = arn(facts, "instance", "instance/", name)
        tagged = facts.models.tags(node)
        context = {f"ssm:resourcetag/{key.lower()}": (value,) for key, value in tagged.items()}
        yield facts.question(node, context=context)


def of_re_encryption(facts: CallFacts) -> Iterator[Question]:
    """Yield the permissions for both keys of ReEncrypt, which is two actions."""
    for action, name in (("ReEncryptFrom", "SourceKeyId"), ("ReEncryptTo", "DestinationKeyId")):
        for key in named(facts.parameters, name) or ["*"]:
            yield facts.question(arn(facts, "key", "key/", key), action=f"kms:{action}")


def arns(facts: CallFacts, kind: ResourceType) -> Iterator[str]:
    """Yield the ARNs of the resources of one type in a call."""
    if facts.service == "servicequotas":
        quota = [*named(facts.parameters, "ServiceCode"), *named(facts.parameters, "QuotaCode")]
        yield facts.arn("/".join(quota))
        return
    names, prefix = NAMED.get((facts.service, kind.name), ((), f"{kind.name}/"))
    found = named(facts.parameters, *names)
    for name in found or ["*"] * kind.is_required:
        yield name if name.startswith("arn:") else arn(facts, kind.name, prefix, name)


def arn(facts: CallFacts, kind: str, prefix: str, name: str) -> str:
    """Return the ARN of a resource by its name."""
    if facts.service in GLOBAL:
        return f"arn:aws:iam::{ACCOUNT}:{prefix}{name}"
    if kind == "key" and (known := facts.models.key_arn(facts.region, name)):
        return known
    if kind == "instance":
        return facts.arn(f"{prefix}{name}", service="ec2")
    owner = "" if facts.service == "ssm" and name.startswith(PUBLIC) else ACCOUNT
    return facts.arn(f"{prefix}{name.removeprefix('/')}", account=owner)
