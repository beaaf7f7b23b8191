"""Decide whose a group or a launch template is: by its tags and the store, never by its name.

App `web` in environment `shop-eu` and app `web-shop` in `eu` have the same names, so a name proves
nothing. The tags app and environment do. A module of the user's own may not set them: such a
resource is ours only if this environment's document has its release. Two separate stores number
their releases alike; the tag of the deployment, whose id never repeats, distinguishes those.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import TAG_PREFIX
from pipeline.core.state.environment import Environment

DEPLOYMENT = "deployment"
"""The fact of a release, and the end of the tag, with the deployment that made it."""


def owner_in(tags: Mapping[str, str]) -> str:
    """Return the app and the environment that tags name, such as `web/staging`; else nothing."""
    app, environment = (tags.get(TAG_PREFIX + each, "") for each in ("app", "environment"))
    return f"{app}/{environment}" if app and environment else ""


def other_owner(document: Environment, tags: Mapping[str, str]) -> str:
    """Return the owner that tags name if it is another app or environment; else nothing."""
    owner = owner_in(tags)
    return "" if owner == f"{document.app}/{document.environment}" else owner


def release_owning(document: Environment, name: str, tags: Mapping[str, str]) -> str:
    """Return the release of this environment that a resource belongs to; empty if to none."""
    by_name = document.release_at(name)
    owner = owner_in(tags)
    if not owner:
        return by_name if by_name in {*document.releases, document.serving} else ""
    if other_owner(document, tags):
        return ""
    return tags.get(TAG_PREFIX + "release", "") or by_name


def require_managed(document: Environment, release: str, seen: ObservedGroup) -> None:
    """Raise RefusedError if the tags of a release's group name another owner or deployment."""
    record = document.releases.get(release)
    where = f"server group {document.group(release)}"
    if owner := other_owner(document, seen.tags):
        raise RefusedError(
            where,
            f"belongs to {owner} by its tags, not to {document.app}/{document.environment}",
            another_name(document.app, document.environment, owner),
        )
    made_by = seen.tags.get(TAG_PREFIX + DEPLOYMENT, "")
    expected = record.release.facts.get(DEPLOYMENT, "") if record else ""
    if not made_by or not expected or made_by == expected:
        return
    raise RefusedError(
        where,
        f"was made by deployment {made_by}, but {release} of this store by {expected}: "
        "another store has releases of the same app and environment",
        f"rename the app or the environment of one store; for this store's releases: "
        f"{commands.status(document.environment)}",
    )


def another_name(app: str, environment: str, owner: str) -> str:
    """Return the remedy for two services whose resources have the same names."""
    return (
        "give the app or the environment another name in pipeline.toml: resources of "
        f"{app}/{environment} and of {owner} have the same names"
    )
