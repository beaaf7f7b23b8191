"""Decide whether a nightly rebuild may promote its image: never against a person's decision.

A rebuild renews the serving release: the same version on a newer source image. A person who rolled
back or promoted another version had a reason that a nightly job does not know.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment


def require_no_rollback(document: Environment, history: Iterable[Deployment]) -> None:
    """Raise RefusedError if a person rolled back to the serving release; checked before a bake."""
    last = _promotion_of(document.serving, history)
    if last and last.kind is Kind.ROLLBACK:
        name = document.environment
        what = f"{last.beginner} rolled back to {document.serving} on {_ended(last)}"
        remedy = f"fix the application, then: {commands.bake()} && {commands.promote(name)}"
        raise RefusedError(f"rebuild of {name}", what, remedy)


def require_unchanged(
    before: Environment, after: Environment, image: Image, history: Iterable[Deployment]
) -> None:
    """Raise RefusedError if promoting a rebuilt image would undo a person's decision.

    `before` is the document from before the bake, `after` the one from now; `history` is newest
    first.
    """
    if after.serving != before.serving:
        then, now = before.serving or "no release", after.serving or "no release"
        what = f"{then} served when the rebuild began, but {now} serves now"
        raise _refused(after, what, image)
    if what := _other_version(after.serving, image.version, history):
        raise _refused(after, what, image)


def require_version(document: Environment, version: str, history: Iterable[Deployment]) -> None:
    """Raise RefusedError if a person promoted another version; checked before a bake."""
    if what := _other_version(document.serving, version, history):
        name = document.environment
        remedy = f"to bake and promote it anyway: {commands.bake()} && {commands.promote(name)}"
        raise RefusedError(f"rebuild of {name}", what, remedy)


def _other_version(release: str, version: str, history: Iterable[Deployment]) -> str:
    """Return who promoted another version than that of a rebuild; else nothing."""
    last = _promotion_of(release, history)
    if last is None or last.kind is Kind.REBUILD or last.version == version:
        return ""
    versions = f"version {last.version or last.image}, but the rebuild has {version}"
    return f"{last.beginner} promoted {release} on {_ended(last)}: {versions}"


def _promotion_of(release: str, history: Iterable[Deployment]) -> Deployment | None:
    """Return the deployment that put a release into service; `history` is newest first."""
    done = (each for each in history if result_of(each) is Result.PROMOTED)
    return next((each for each in done if each.green == release), None)


def _ended(deployment: Deployment) -> str:
    return f"{deployment.ended[:16].replace('T', ' at ')} UTC"


def _refused(document: Environment, what: str, image: Image) -> RefusedError:
    name = document.environment
    remedy = f"to promote the image anyway: {commands.promote(name, image.id)}"
    return RefusedError(f"rebuild of {name}", what, remedy)
