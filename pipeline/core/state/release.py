"""Define a release: one promotion of one image in one environment, with a unique number.

Terraform keeps one server group for each release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core import commands

_RELEASE = re.compile(r"r\d{6,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """The size of a new server group; Auto Scaling owns the numbers afterwards."""

    instance_type: str
    minimum: int
    maximum: int
    desired: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedGroup:
    """A group that the pipeline did not create: it moves its traffic and changes nothing else.

    `launches` says in words what it launches. `stack` is the CloudFormation stack that owns it,
    empty for none.
    """

    name: str
    region: str
    launches: str = ""
    stack: str = ""

    @property
    def owner(self) -> str:
        """Return who may attach or delete it beside the pipeline, in words."""
        if self.stack:
            return f"CloudFormation stack {self.stack}"
        return "the Terraform or CloudFormation that owns it"

    @property
    def release_in_owner(self) -> str:
        """Return the remedy for an owner that attaches the group again."""
        return f"remove its load balancers and target groups from {self.owner}"

    @property
    def delete(self) -> str:
        """Return the command that deletes the group with its instances."""
        options = {
            "region": self.region,
            "auto-scaling-group-name": self.name,
            "force-delete": "",
        }
        return commands.aws("autoscaling", "delete-auto-scaling-group", options)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One promotion of one image; `facts` become tags, such as the version.

    `policies` and `schedules` are the names of the scaling policies and schedules that it was made
    with. None means unknown: those that the module has now.
    """

    number: int
    ami_id: str
    size: Size
    facts: Mapping[str, str]
    policies: tuple[str, ...] | None = None
    schedules: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Return the name, such as `r000124`; names sort by number up to a million."""
        return release_name(self.number)

    def group(self, app: str, environment: str) -> str:
        """Return the name of its server group and launch template: `web-production-r000124`."""
        return group_name(app, environment, self.name)

    def as_module_input(self) -> dict[str, Any]:
        """Return the attributes that the module receives (core/terraform/module_contract.py)."""
        kept = {"policies": self.policies, "schedules": self.schedules}
        return {
            "ami_id": self.ami_id,
            "instance_type": self.size.instance_type,
            "min_size": self.size.minimum,
            "max_size": self.size.maximum,
            "desired_capacity": self.size.desired,
            "facts": dict(self.facts),
            **{name: list(names) for name, names in kept.items() if names is not None},
        }


def release_name(number: int) -> str:
    """Return the name of the release with this number."""
    return f"r{number:06}"


def group_name(app: str, environment: str, release: str) -> str:
    """Return the name of a release's server group and launch template in AWS."""
    return f"{app}-{environment}-{release}"


def release_of(group: str, app: str, environment: str) -> str:
    """Return the release in a server group's name; empty for a name of another kind."""
    name = group.removeprefix(group_name(app, environment, ""))
    return name if name != group and is_release(name) else ""


def is_release(name: str) -> bool:
    """Return True for the name of a release, such as `r000124`."""
    return bool(_RELEASE.fullmatch(name))


def number_of(release: str) -> int:
    """Return the number of a release by its name."""
    return int(release.removeprefix("r"))
