"""Patch IAM: the policies that AWS manages.

They exist in every account (IAM User Guide, "AWS managed policies"). moto has their documents, and
loads all at the start or none; here one is loaded when it is named.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

OF_AWS = ":iam::aws:policy/"


@patch(IAMBackend, "attach_role_policy")
def attach_role_policy(
    original: Callable[..., Any], backend: Any, policy_arn: str, role_name: str
) -> None:
    """Attach a policy to a role."""
    load(backend, policy_arn)
    original(backend, policy_arn, role_name)


@patch(IAMBackend, "get_policy")
def get_policy(original: Callable[..., Any], backend: Any, policy_arn: str) -> Any:
    """Return a policy."""
    load(backend, policy_arn)
    return original(backend, policy_arn)


def load(backend: Any, arn: str) -> None:
    """Add a policy of AWS to an account, if it is one."""
    if OF_AWS not in arn or arn in backend.managed_policies:
        return
    name = arn.rpartition("/")[2]
    if data := documents().get(name):
        policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, data)
        if policy.arn == arn:
            backend.managed_policies[arn] = policy


@functools.cache
def documents() -> dict[str, Any]:
    """Return the policies of AWS by name."""
    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found
