"""Read the roles of an instance profile from IAM."""

from __future__ import annotations

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call


def roles_of_profile(clients: Clients, region: str, name: str) -> tuple[str, ...]:
    """Return the ARNs of the roles of an instance profile; raises RefusedError.

    `region` only chooses the partition: IAM is global.
    """
    with translate_errors(f"reading instance profile {name}", region):
        found = call(clients.iam(region).get_instance_profile, InstanceProfileName=name)
    return tuple(role["Arn"] for role in found["InstanceProfile"]["Roles"])
