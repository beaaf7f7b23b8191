"""Delete what a killed Packer left in the account: instance, key pair, security group.

Packer cleans up after SIGTERM, but not after SIGKILL, a lost machine or a lost network
(hashicorp/packer-plugin-amazon#497). The names come from Packer's output before its first
provisioner. An instance must also have the temporary key pair, the temporary security group or
this bake's tag, so that a provisioner's output cannot name an unrelated instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import as_filters, read_instances, read_states
from pipeline.adapters.aws.retry import call, error_code, items, poll_until
from pipeline.core.bake.model import BuildResources
from pipeline.core.image import TAG_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TERMINATION = 300.0
"""Seconds an instance may take to terminate; its security group can be deleted only then."""
UNUSED_WITHIN = 60.0
"""Seconds a security group may stay in use after its instance has terminated."""

_LIVE = ("pending", "running", "shutting-down", "stopping", "stopped")


class Ec2Leftovers:
    """The temporary AWS resources of a bake that was killed."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def remove(self, region: str, resources: BuildResources, bake: str) -> tuple[str, ...]:
        """Delete them; return the ids and names of what was deleted.

        Raises RefusedError with AWS's message if something cannot be deleted.
        """
        with translate_errors("deleting what the bake left", region):
            ec2 = self._clients.ec2(region)
            instances = _instances(ec2, resources, bake)
            if instances:
                call(ec2.terminate_instances, InstanceIds=list(instances))
            keys = _present(ec2.describe_key_pairs, "KeyPairs", "key-name", resources.key_pairs)
            for key in keys:
                call(ec2.delete_key_pair, KeyName=key["KeyName"])
            groups = _present(
                ec2.describe_security_groups,
                "SecurityGroups",
                "group-name",
                resources.security_groups,
            )
            if groups and instances:
                _await_termination(ec2, instances)
            for group in groups:
                _delete_group(ec2, group["GroupId"])
        names = (*(key["KeyName"] for key in keys), *(group["GroupId"] for group in groups))
        return (*instances, *names)


def _instances(ec2: EC2Client, resources: BuildResources, bake: str) -> tuple[str, ...]:
    searches = (
        ("key-name", resources.key_pairs),
        ("instance.group-name", resources.security_groups),
        (f"tag:{TAG_PREFIX}bake", (bake,)),
    )
    found: dict[str, None] = {}
    for filter_name, values in searches:
        if values:
            filters = {filter_name: values, "instance-state-name": _LIVE}
            found |= {each["InstanceId"]: None for each in read_instances(ec2, filters)}
    return tuple(found)


def _present(
    describe: Callable[..., Any], field: str, filter_name: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    if not names:
        return []
    return list(items(describe, field, Filters=as_filters({filter_name: names})))


def _await_termination(ec2: EC2Client, instances: Sequence[str]) -> None:
    def have_terminated() -> bool | None:
        return True if read_states(ec2, instances) <= {"terminated"} else None

    poll_until(have_terminated, seconds=TERMINATION)


def _delete_group(ec2: EC2Client, group: str) -> None:
    """Delete a security group; AWS answers DependencyViolation while it is in use."""
    from botocore.exceptions import ClientError

    def is_deleted() -> bool | None:
        try:
            call(ec2.delete_security_group, GroupId=group)
        except ClientError as error:
            if error_code(error) == "InvalidGroup.NotFound":
                return True
            if error_code(error) == "DependencyViolation":
                return None
            raise
        return True

    if poll_until(is_deleted, seconds=UNUSED_WITHIN) is None:
        call(ec2.delete_security_group, GroupId=group)
