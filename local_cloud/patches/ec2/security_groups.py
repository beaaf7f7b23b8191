"""Rules of security groups, as they were described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.security_groups import SecurityGroupRule

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# DescribeSecurityGroupRules shows each rule's description (EC2 API Reference, data type
# SecurityGroupRule); moto forgets it where the rule names another group, and Terraform then
# sees a change in every plan.
@patch(SecurityGroupRule, "description")
def description(original: Callable[..., str | None], rule: Any) -> str | None:
    """Return the description, of a rule that names a group too."""
    return original(rule) or rule.source_group.get("Description")
