"""Decide whether a group with a release's name belongs to that release.

Two separate stores number their releases alike, so names repeat. The Terraform module tags each
group with its deployment, whose id never repeats; a group without the tag is taken by its name.
"""

from __future__ import annotations

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import TAG_PREFIX
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name

DEPLOYMENT = "deployment"
"""The fact of a release, and the end of the tag, with the deployment that made it."""


def require_managed(document: Environment, release: str, seen: ObservedGroup) -> None:
    """Raise RefusedError if another deployment than this release's made the group."""
    record = document.releases.get(release)
    made_by = seen.tags.get(TAG_PREFIX + DEPLOYMENT, "")
    expected = record.release.facts.get(DEPLOYMENT, "") if record else ""
    if not made_by or not expected or made_by == expected:
        return
    name = group_name(document.app, document.environment, release)
    raise RefusedError(
        f"server group {name}",
        f"was made by deployment {made_by}, but {release} of this store by {expected}: "
        "another store has releases of the same app and environment",
        f"rename the app or the environment of one store; for this store's releases: "
        f"{commands.status(document.environment)}",
    )
