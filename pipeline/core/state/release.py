"""What Terraform is asked to keep: one server group for each release, by number.

Apart from `model`, which knows what was baked: a release is an image put to use
in one environment, and its number is never given twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RELEASE = re.compile(r"r\d{6,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """What a server group is made of when it begins; Auto Scaling owns the numbers afterwards."""

    instance_type: str
    minimum: int
    maximum: int
    desired: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One promotion of one image; `facts` are words for tags, such as the version."""

    number: int
    ami_id: str
    size: Size
    facts: Mapping[str, str]

    @property
    def name(self) -> str:
        """The release's name, such as `r000124`; it sorts as it counts up to a million."""
        return f"r{self.number:06}"

    def group(self, app: str, environment: str) -> str:
        """Return the name of its server group and launch template: `web-production-r000124`."""
        return group_name(app, environment, self.name)

    def wanted(self) -> dict[str, Any]:
        """Return what the module is told of it: the contract's attributes (core/contract.py)."""
        return {
            "ami_id": self.ami_id,
            "instance_type": self.size.instance_type,
            "min_size": self.size.minimum,
            "max_size": self.size.maximum,
            "desired_capacity": self.size.desired,
            "facts": dict(self.facts),
        }


def group_name(app: str, environment: str, release: str) -> str:
    """Return the name of a release's server group and launch template in AWS."""
    return f"{app}-{environment}-{release}"


def release_of(group: str, app: str, environment: str) -> str:
    """Return the release in a server group's name; empty for a name of another kind."""
    name = group.removeprefix(group_name(app, environment, ""))
    return name if name != group and _RELEASE.fullmatch(name) else ""
