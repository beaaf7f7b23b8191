"""Whether a nightly rebuild may put its image into service: never over what a person decided.

A rebuild renews what serves: the same version on a newer source image. Whoever rolled back, or
promoted another version, did that on purpose, and a job at night does not know why.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment


def require_no_rollback(document: Environment, history: Iterable[Deployment]) -> None:
    """Raise RefusedError where a person rolled back to what serves: known before any bake."""
    put = _last(history, document.serving)
    if put and put.kind is Kind.ROLLBACK:
        what = f"{document.serving} was rolled back to by {_told(put)}"
        name = document.environment
        remedy = f"once it is mended: ami-pipeline bake, then ami-pipeline promote -e {name}"
        raise RefusedError(f"rebuild of {name}", what, remedy)


def require_welcome(
    before: Environment, now: Environment, image: Image, history: Iterable[Deployment]
) -> None:
    """Raise RefusedError where the rebuild of an image would undo what a person did.

    `before` is the document as the rebuild found it when it began, for a bake takes a while;
    `history` is newest first.
    """
    if now.serving != before.serving:
        what = f"{now.serving or 'nothing'} serves; it was {before.serving or 'nothing'} when this"
        raise _unwelcome(now, f"{what} rebuild began", image)
    put = _last(history, now.serving)
    if put and put.kind is not Kind.REBUILD and put.version != image.version:
        version = f"{put.version or put.image}, and this is {image.version}"
        raise _unwelcome(now, f"{now.serving} was promoted by {_told(put)}: {version}", image)


def _last(history: Iterable[Deployment], release: str) -> Deployment | None:
    """Return the deployment that put a release into service; `history` is newest first."""
    done = (each for each in history if result_of(each) is Result.PROMOTED)
    return next((each for each in done if each.green == release), None)


def _told(deployment: Deployment) -> str:
    return f"{deployment.by.user} on {deployment.ended[:16].replace('T', ' at ')} UTC"


def _unwelcome(document: Environment, what: str, image: Image) -> RefusedError:
    name = document.environment
    remedy = f"if it is to serve: ami-pipeline promote -e {name} --image {image.id}"
    return RefusedError(f"rebuild of {name}", what, remedy)
