"""Build the commands of AWS that findings about groups show.

Those that detach or delete name only a group that is proven to be ours: see `ownership_checks`.
"""

from __future__ import annotations

from pipeline.core import commands
from pipeline.core.preflight.facts import Proposal

LIST_DELETIONS = commands.aws(
    "cloudtrail",
    "lookup-events",
    {"lookup-attributes": "AttributeKey=EventName,AttributeValue=DeleteAutoScalingGroup"},
)
"""Shows who deleted groups (CloudTrail)."""


def scaling(verb: str, group: str, proposal: Proposal) -> str:
    """Return a command of Auto Scaling about one group."""
    options = {"region": proposal.place.region, "auto-scaling-group-name": group}
    return commands.aws("autoscaling", verb, options)


def describe(group: str, proposal: Proposal) -> str:
    """Return the command that shows a group."""
    options = {"region": proposal.place.region, "auto-scaling-group-names": group}
    return commands.aws("autoscaling", "describe-auto-scaling-groups", options)
