"""Patch security group rules: show their descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.security_groups import SecurityGroupRule

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# DescribeSecurityGroupRules shows each rule's description (EC2 API Reference, data type
# SecurityGroupRule); moto drops it if the rule names another group, and Terraform
# then shows a change in every plan.
@patch(SecurityGroupRule, "description")
def description(original: Callable[..., str | None], rule: Any) -> str | None:
    """Return the description, also of a rule that names a group."""
    return original(rule) or rule.source_group.get("Description")
