"""Compare two releases or images for `diff`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.aws.client import Clients
from pipeline.app.application import Application
from pipeline.app.baked_images import known_images
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.reports.changes import ImageReader
from pipeline.core import commands
from pipeline.core.changes.compare import Side
from pipeline.core.changes.model import Changes, GroupSize
from pipeline.core.deploy.selection.release import image_of
from pipeline.core.deploy.selection.versions import image_named, is_version
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.image import Image
from pipeline.core.state.environment import ReleaseRecord
from pipeline.core.state.release import is_release

SEARCHED = 1000
"""How many deployments are searched for a release that the document has forgotten."""


def diff(app: Application, before: str, after: str, environment: str) -> Changes:
    """Return what differs between two images (AMI or version) or releases of an environment.

    Raises RefusedError for a name that is not known, and ConfigurationError for a release without
    an environment if there are several.
    """
    clients = Clients(app.settings.region)
    sides = _Sides(app=app, environment=environment, known=known_images(app, clients))
    images = ImageReader(app=app, clients=clients)
    return images.compare(sides.named(before), sides.named(after))


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """A finder of what a name means; `environment` is empty if none was given."""

    app: Application
    environment: str
    known: tuple[Image, ...]

    def named(self, name: str) -> Side:
        if is_release(name):
            return self._release(name, self._reader(name))
        if is_version(name):
            name = image_named(self.known, name, self.environment).id
        return Side(image=self._image(name))

    def _reader(self, release: str) -> EnvironmentReader:
        names = [*self.app.settings.environments]
        if not self.environment and len(names) != 1:
            raise ConfigurationError(
                "diff",
                f"{release} may be of {' or '.join(names) or 'no environment'}",
                "name its environment with -e NAME",
            )
        name = self.environment or names[0]
        self.app.settings.environment(name)
        return EnvironmentReader(app=self.app, environment=name)

    def _release(self, name: str, reader: EnvironmentReader) -> Side:
        document = reader.document()
        if kept := document.releases.get(name):
            image = self._image(kept.release.ami_id)
            return Side(image=image, inputs=kept.inputs, size=_size(kept), is_release=True)
        retired = (each for each in document.retired if each.release == name)
        if past := next(retired, None):
            return Side(image=self._image(past.ami_id), inputs=past.inputs, is_release=True)
        deployments = reader.deployments.history(
            reader.environment, SEARCHED, self.app.tell_damaged
        )
        if made := next((e for e in deployments if e.green == name and e.image), None):
            return Side(image=self._image(made.image), is_release=True)
        what = f"{reader.environment} has had no release of this name"
        raise RefusedError(f"release {name}", what, commands.history(reader.environment))

    def _image(self, ami_id: str) -> Image:
        return image_of(self.known, ami_id, self.app.settings.app, self.app.settings.region)


def _size(record: ReleaseRecord) -> GroupSize:
    """Return the size that a release was launched with; people and policies change it later."""
    size = record.release.size
    return GroupSize(
        instance_type=size.instance_type,
        minimum=record.minimum or size.minimum,
        maximum=size.maximum,
        desired=size.desired,
    )
