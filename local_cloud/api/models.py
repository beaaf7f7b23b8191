"""Answer from moto's models what the judge of permissions asks; call it under the API's lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import FakeKey, s3_backends

from local_cloud.options import ACCOUNT
from local_cloud.permissions.ports import Template

PARTITION = "aws"
PARTS_OF_AN_ARN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class MotoModels:
    """The resources of the cloud's account."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a resource; none if it does not exist or has none."""
        parts = arn.split(":", PARTS_OF_AN_ARN - 1)
        if len(parts) < PARTS_OF_AN_ARN or parts[2] not in TAGS:
            return {}
        return TAGS[parts[2]](arn, parts[3] or "us-east-1", parts[5])

    def template(self, region: str, named: Mapping[str, Any]) -> Template | None:
        """Return the version that a LaunchTemplateSpecification names, if it exists."""
        backend = ec2_backends[ACCOUNT][region]
        name = str(named.get("LaunchTemplateName", ""))
        id_ = named.get("LaunchTemplateId") or backend.launch_template_name_to_ids.get(name, "")
        template = backend.launch_templates.get(str(id_))
        if template is None:
            return None
        try:
            data = template.get_version(named.get("Version") or "$Default").data
        except Exception:  # noqa: BLE001  a version that does not exist: the service says so
            return None
        arn = f"arn:aws:ec2:{region}:{ACCOUNT}:launch-template/{template.id}"
        return Template(arn=arn, id=template.id, data=data)

    def group_arn(self, region: str, name: str) -> str | None:
        """Return the ARN of an Auto Scaling group, if it exists."""
        group = autoscaling_backends[ACCOUNT][region].autoscaling_groups.get(name)
        return None if group is None else str(group.arn)

    def subnets_of(self, region: str, group: str) -> Sequence[str]:
        """Return the subnets of an Auto Scaling group; none if it does not exist."""
        found = autoscaling_backends[ACCOUNT][region].autoscaling_groups.get(group)
        return str(getattr(found, "vpc_zone_identifier", None) or "").split(",")

    def group_of(self, region: str, instance: str) -> str | None:
        """Return the name of the Auto Scaling group of an instance, if it has one."""
        tags = ec2_backends[ACCOUNT][region].tags.get(instance, {})
        return tags.get("aws:autoscaling:groupName")

    def roles_of_profile(self, name: str) -> Sequence[str]:
        """Return the ARNs of the roles in an instance profile, by its name or ARN."""
        profiles = iam_backends[ACCOUNT][PARTITION].get_instance_profiles()
        return [
            str(role.arn)
            for profile in profiles
            if name in {profile.name, profile.arn}
            for role in profile.roles
        ]

    def key_arn(self, region: str, key: str) -> str | None:
        """Return the ARN of a KMS key by its id, alias or ARN, if it exists."""
        backend = kms_backends[ACCOUNT][region]
        alias = backend.get_alias_name(key)
        is_alias = alias.startswith("alias/")
        id_ = backend.get_key_id_from_alias(alias) if is_alias else backend.get_key_id(key)
        known = backend.keys.get(backend.get_key_id(id_)) if id_ else None
        return None if known is None else str(known.arn)

    def has_object(self, bucket: str, key: str) -> bool:
        """Return True if an S3 object exists, or its bucket does not."""
        found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        return found is None or isinstance(found.keys.get(key), FakeKey)

    def key_of_object(self, bucket: str, key: str, asked: str) -> str | None:
        """Return the ARN of the KMS key of an S3 object; see the port."""
        found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        if found is None:
            return None
        held = found.keys.get(key)
        wanted = asked or getattr(held, "kms_key_id", None) or default_key(found.encryption)
        return self.key_arn(found.region_name, wanted) if wanted else None


def default_key(encryption: Any) -> str:
    """Return the KMS key of a bucket's default encryption."""
    rule = (encryption or {}).get("Rule", {})
    by_default = (rule[0] if isinstance(rule, list) else rule).get(
        "ApplyServerSideEncryptionByDefault", {}
    )
    return str(by_default.get("KMSMasterKeyID") or "")


def of_ec2(_arn: str, region: str, resource: str) -> Mapping[str, str]:
    """Return the tags of a resource of EC2."""
    return dict(ec2_backends[ACCOUNT][region].tags.get(resource.partition("/")[2], {}))


def of_group(_arn: str, region: str, resource: str) -> Mapping[str, str]:
    """Return the tags of an Auto Scaling group."""
    name = resource.rpartition("autoScalingGroupName/")[2]
    group = autoscaling_backends[ACCOUNT][region].autoscaling_groups.get(name)
    return {tag["Key"]: tag["Value"] for tag in group.tags} if group else {}


def of_balancer(arn: str, region: str, resource: str) -> Mapping[str, str]:
    """Return the tags of what Elastic Load Balancing has."""
    classic = elb_backends[ACCOUNT][region].load_balancers.get(resource.rpartition("/")[2])
    if classic is not None and resource.count("/") == 1:
        return dict(classic.tags)
    tags = elbv2_backends[ACCOUNT][region].tagging_service.get_tag_dict_for_resource(arn)
    return dict(tags or {})


def of_iam(_arn: str, _region: str, resource: str) -> Mapping[str, str]:
    """Return the tags of a role."""
    roles = iam_backends[ACCOUNT][PARTITION].get_roles()
    for role in roles:
        if resource == f"role/{role.name}":
            return {tag["Key"]: tag["Value"] for tag in role.tags}
    return {}


TAGS: Mapping[str, Callable[[str, str, str], Mapping[str, str]]] = {
    "autoscaling": of_group,
    "ec2": of_ec2,
    "elasticloadbalancing": of_balancer,
    "iam": of_iam,
}
