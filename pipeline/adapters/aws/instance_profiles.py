"""Read the roles of an instance profile from IAM, and delete those that Packer left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call, error_code


def roles_of_profile(clients: Clients, region: str, name: str) -> tuple[str, ...]:
    """Return the ARNs of the roles of an instance profile; raises RefusedError.

    `region` only chooses the partition: IAM is global.
    """
    with translate_errors(f"reading instance profile {name}", region):
        found = call(clients.iam(region).get_instance_profile, InstanceProfileName=name)
    return tuple(role["Arn"] for role in found["InstanceProfile"]["Roles"])


def delete_temporary_profile(clients: Clients, region: str, name: str) -> bool | None:
    """Delete a temporary instance profile and its role of the same name.

    Packer names both, and the policy in the role, alike (step_iam_instance_profile.go). Return
    whether both are gone, None if there was neither. Raises botocore's ClientError.
    """
    iam = clients.iam(region)
    policies = _policies(iam, name)
    steps: list[tuple[Callable[..., object], dict[str, str]]] = [
        (iam.remove_role_from_instance_profile, {"InstanceProfileName": name, "RoleName": name}),
        *(
            (iam.delete_role_policy, {"RoleName": name, "PolicyName": policy})
            for policy in policies
        ),
        (iam.delete_role, {"RoleName": name}),
        (iam.delete_instance_profile, {"InstanceProfileName": name}),
    ]
    deleted = [_unless_missing(operation, arguments) for operation, arguments in steps]
    return True if any(deleted) else None


def _policies(iam: Any, role: str) -> list[str]:
    names: list[str] = []

    def read(**of: str) -> None:
        names.extend(call(iam.list_role_policies, **of)["PolicyNames"])

    _unless_missing(read, {"RoleName": role})
    return names


def _unless_missing(operation: Callable[..., object], arguments: dict[str, str]) -> bool:
    from botocore.exceptions import ClientError

    try:
        call(operation, **arguments)
    except ClientError as error:
        if error_code(error) != "NoSuchEntity":
            raise
        return False
    return True
