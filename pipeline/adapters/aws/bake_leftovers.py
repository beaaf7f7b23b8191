"""Removes what a Packer that was killed left in the account: instance, key pair, security group.

Packer cleans up after SIGTERM; after SIGKILL, a lost machine or a lost network
nobody does (hashicorp/packer-plugin-amazon#497). Found by the names Packer said
before its first provisioner ran, and an instance only where it was started with
the temporary key pair or in the temporary security group, or bears our bake's
tag, so that nothing a provisioner prints can point at an instance of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients, call, error_code, speaking_plainly
from pipeline.adapters.aws.wait import until
from pipeline.core.bake.model import BuildResources
from pipeline.core.image import TAG_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

GONE_WITHIN = 300.0
"""Seconds an instance may take to terminate; its security group cannot go before."""

_LIVE = ("pending", "running", "shutting-down", "stopping", "stopped")


class Ec2Leftovers:
    """The temporary things of one bake."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def remove(self, region: str, resources: BuildResources, bake: str) -> tuple[str, ...]:
        """Remove them; return what was removed, in AWS's ids.

        Raises RefusedError with AWS's words where something cannot be removed.
        """
        with speaking_plainly("removing what the bake left", region):
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
                _wait_until_gone(ec2, instances)
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
            for reservation in call(
                ec2.describe_instances,
                Filters=[
                    {"Name": filter_name, "Values": list(values)},
                    {"Name": "instance-state-name", "Values": list(_LIVE)},
                ],
            )["Reservations"]:
                found.update({each["InstanceId"]: None for each in reservation["Instances"]})
    return tuple(found)


def _present(
    describe: Callable[..., Any], answer: str, filter_name: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    if not names:
        return []
    listed: list[dict[str, Any]] = call(
        describe, Filters=[{"Name": filter_name, "Values": list(names)}]
    )[answer]
    return listed


def _wait_until_gone(ec2: EC2Client, instances: tuple[str, ...]) -> None:
    def gone() -> bool | None:
        listed = call(ec2.describe_instances, InstanceIds=list(instances))["Reservations"]
        states = {each["State"]["Name"] for one in listed for each in one["Instances"]}
        return True if states <= {"terminated"} else None

    until(gone, seconds=GONE_WITHIN)


def _delete_group(ec2: EC2Client, group: str) -> None:
    """A group stays in use for some seconds after its instance is gone (DependencyViolation)."""
    from botocore.exceptions import ClientError

    def deleted() -> bool | None:
        try:
            call(ec2.delete_security_group, GroupId=group)
        except ClientError as error:
            if error_code(error) == "InvalidGroup.NotFound":
                return True
            if error_code(error) == "DependencyViolation":
                return None
            raise
        return True

    if until(deleted, seconds=60.0) is None:
        call(ec2.delete_security_group, GroupId=group)
