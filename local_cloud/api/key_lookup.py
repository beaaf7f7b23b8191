"""Find instances in moto's models by SSH key and by address, for SSH and the metadata service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from local_cloud.behavior_targets import each
from local_cloud.instances.metadata import Facts
from local_cloud.instances.user_data import decoded
from local_cloud.scaling.lifecycle import target_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

ALIVE = {"pending", "running"}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLookup:
    """Finds instances under the API's lock; returns none of moto's own objects."""

    lock: AbstractContextManager[Any]

    def opens(self, instance_id: str, public: str) -> bool:
        """Return True if a key opens an instance."""
        with self.lock:
            return any(
                each.id == instance_id and each.state in ALIVE and has_key(each, public)
                for each in instances()
            )

    def facts(self, address: str) -> Facts | None:
        """Return the metadata of the instance with this address."""
        with self.lock:
            for instance in instances():
                if instance.private_ip == address and instance.state in ALIVE:
                    return facts(instance)
        return None


def instances() -> Iterator[Any]:
    """Yield every instance of every account and region."""
    for backend in each(ec2_backends):
        yield from backend.all_instances()


def has_key(instance: Any, public: str) -> bool:
    """Return True if an instance was launched with the key pair of this public key."""
    pair = instance.ec2_backend.key_pairs.get(instance.key_name)
    if pair is None:
        return False
    material = pair.material_public
    text = material.decode() if isinstance(material, bytes) else str(material)
    return " ".join(text.split()[:2]) == public


def facts(instance: Any) -> Facts:
    """Return what the metadata service answers for an instance."""
    options = instance.metadata_options
    return Facts(
        enabled=options.http_endpoint != "disabled",
        token_required=options.http_tokens == "required",
        user_data=decoded(instance.user_data),
        document=document(instance),
        tree={key: str(value) for key, value in tree(instance).items() if value is not None},
    )


def document(instance: Any) -> dict[str, Any]:
    """Return the instance identity document."""
    return {
        "accountId": instance.owner_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": instance.launch_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "privateIp": instance.private_ip,
        "region": instance.region_name,
        "version": "2017-09-30",
    }


def tree(instance: Any) -> dict[str, Any]:
    """Return the categories of instance metadata that the local cloud has."""
    interface = instance.nics[0]
    found = {
        "ami-id": instance.image_id,
        "ami-launch-index": instance.ami_launch_index,
        "hostname": instance.private_dns_name,
        "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": instance.private_ip,
        "mac": interface.mac_address,
        "placement/availability-zone": instance.availability_zone,
        "placement/region": instance.region_name,
        "public-ipv4": instance.public_ip,
        "security-groups": "\n".join(group.name for group in instance.security_groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    if instance.metadata_options.instance_metadata_tags == "enabled":
        found |= {f"tags/instance/{tag['key']}": tag["value"] for tag in instance.get_tags()}
    return found | role(instance) | scaling(instance)


def scaling(instance: Any) -> dict[str, str]:
    """Return the target lifecycle state of a member of an Auto Scaling group."""
    backend = autoscaling_backends[instance.owner_id][instance.region_name]
    region = backend.__dict__.get("local_cloud_region")
    found = region.find(instance.id) if region else None
    return {"autoscaling/target-lifecycle-state": target_state(found[1])} if found else {}


def role(instance: Any) -> dict[str, str]:
    """Return the credentials of the instance profile; the local API accepts any."""
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    if association is None:
        return {}
    profile = association.iam_instance_profile
    name = next((role.name for role in profile.roles), profile.name)
    credentials = {
        "Code": "Success",
        "LastUpdated": "2024-01-01T00:00:00Z",
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIALOCALCLOUD000000",
        "SecretAccessKey": "local-cloud",
        "Token": "local-cloud",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    info = {"Code": "Success", "InstanceProfileArn": profile.arn}
    return {
        "iam/info": json.dumps(info),
        f"iam/security-credentials/{name}": json.dumps(credentials),
    }
