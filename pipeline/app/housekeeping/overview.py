"""Read all environments for `status` without an environment."""

from __future__ import annotations

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.app.application import Application
from pipeline.app.bake_request import source_of
from pipeline.app.baked_images import known_images
from pipeline.app.status import StatusReader
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message
from pipeline.core.image import Image
from pipeline.core.overview import Overview, failed_overview, overview_of


def overview(app: Application) -> tuple[Overview, ...]:
    """Return an overview of each environment, in the order of pipeline.toml.

    An environment that cannot be read has its error; images that cannot be read are reported.
    """
    clients = Clients(app.settings.region)
    images, source = _images(app, clients), _source(app, clients)
    return tuple(_overview(app, name, images, source) for name in app.settings.environments)


def _overview(app: Application, name: str, images: tuple[Image, ...], source: str) -> Overview:
    try:
        return overview_of(StatusReader(app, name).status(), images, source)
    except PipelineError as error:
        return failed_overview(name, error)


def _images(app: Application, clients: Clients) -> tuple[Image, ...]:
    try:
        return known_images(app, clients)
    except PipelineError as error:
        _report(app, error)
        return ()


def _source(app: Application, clients: Clients) -> str:
    """Return the newest source image, empty if the template chooses it or it cannot be read."""
    wanted = source_of(app.settings.bake)
    try:
        return Ec2Images(clients).resolve(wanted, app.settings.region) if wanted else ""
    except PipelineError as error:
        _report(app, error)
        return ""


def _report(app: Application, error: PipelineError) -> None:
    app.report(Message(text=f"{error.where}: {error.what}; {error.remedy}"))
