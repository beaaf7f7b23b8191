"""Whether a group that bears a release's name is that release's: names repeat, deployments do not.

Two stores that know nothing of each other count their releases alike. What the module tags with
the deployment that made it is told apart by that; what bears no such tag is taken by its name.
"""

from __future__ import annotations

from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import TAG_PREFIX
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name

DEPLOYMENT = "deployment"
"""The fact of a release, and the end of the tag, that names the deployment it was made by."""


def require_ours(document: Environment, release: str, seen: ObservedGroup) -> None:
    """Raise RefusedError where another deployment than this release's made the group."""
    kept = document.releases.get(release)
    made_by = seen.tags.get(TAG_PREFIX + DEPLOYMENT, "")
    ours = kept.release.facts.get(DEPLOYMENT, "") if kept else ""
    if not made_by or not ours or made_by == ours:
        return
    name = group_name(document.app, document.environment, release)
    raise RefusedError(
        f"server group {name}",
        f"was made by the deployment {made_by}, and {release} here by {ours}: "
        "another store has releases of this app and environment",
        f"give one of the two another name or environment; what this one knows: "
        f"ami-pipeline status -e {document.environment}",
    )
