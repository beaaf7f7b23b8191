"""Summarize an environment in one line: what serves, how old it is, what is newer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.deploy.selection.release import newest_good
from pipeline.core.deploy.selection.versions import architectures, runnable
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.image import Image
from pipeline.core.state.status import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """One environment at one moment; `error` says why its status is unknown.

    `image` is the serving one as it was baked, None if it was not. `newer` is a newer good image
    of this environment, `source` a newer source image than the one it was baked on, empty if
    there is none or it is unknown.
    """

    environment: str
    status: Status | None = None
    image: Image | None = None
    newer: Image | None = None
    source: str = ""
    error: str = ""


def failed_overview(environment: str, error: PipelineError) -> Overview:
    """Return the overview of an environment that could not be read."""
    return Overview(environment=environment, error=f"{error.where}: {error.what}")


def overview_of(status: Status, images: Sequence[Image], source: str) -> Overview:
    """Return the overview of an environment; `source` is the newest source image, or empty."""
    name = status.environment.environment
    record = status.environment.releases.get(status.environment.serving)
    ami = record.release.ami_id if record else ""
    image = next((each for each in images if ami and ami in each.ids.values()), None)
    return Overview(
        environment=name,
        status=status,
        image=image,
        newer=_newer(images, image, name) if image else None,
        source=source if image and image.source_ami and image.source_ami != source else "",
    )


def _newer(images: Sequence[Image], serving: Image, environment: str) -> Image | None:
    alike = {serving.architecture} if serving.architecture else architectures(images)
    try:
        newest = newest_good(runnable(images, alike), environment)
    except RefusedError:
        return None
    is_newer = (newest.created, newest.name) > (serving.created, serving.name)
    return newest if is_newer else None
