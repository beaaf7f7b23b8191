"""Define the ports of a bake as protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.core.bake.model import (
    BakeRequest,
    BuildReport,
    BuildResources,
    ObservedImage,
    Removal,
    Source,
    Template,
)
from pipeline.core.changes.model import ComparedImage, ImageContents
from pipeline.core.image import Image


class Baker(Protocol):
    """A port to Packer."""

    def version(self) -> str:
        """Return Packer's version, for example `1.6.6`."""

    def inspect(self, request: BakeRequest) -> Template:
        """Return the declarations of the template."""

    def validate(
        self, request: BakeRequest, template: Template, variables: Mapping[str, Any]
    ) -> None:
        """Raise ConfigurationError unless Packer accepts the template with these variables."""

    def build(
        self,
        request: BakeRequest,
        name: str,
        template: Template,
        variables: Mapping[str, Any],
        *,
        on_resources: Callable[[BuildResources], None],
    ) -> BuildReport:
        """Run the build to its end; call `on_resources` after each new resource."""


class Images(Protocol):
    """A port to the account's AMIs, in any region."""

    def resolve(self, source: Source, region: str) -> str:
        """Return the id of the image to bake on."""

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        """Return the account's images that carry these tags, newest first."""

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        """Return the account's images of exactly this name."""

    def of_bake(
        self, region: str, bake: str, instances: Sequence[str]
    ) -> tuple[ObservedImage, ...]:
        """Return the account's images of a bake: by its unique name, its tag, or its instances."""

    def copies(self, region: str, image_ids: Sequence[str]) -> tuple[ObservedImage, ...]:
        """Return the account's images in this region that were copied from these."""

    def find(self, region: str, image_id: str) -> ObservedImage | None:
        """Return one of the account's images by id, or None."""

    def compared(self, region: str, ids: Sequence[str]) -> Mapping[str, ComparedImage]:
        """Return the images with these ids that the account can see, of any owner, by id."""

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Tag the image and its snapshots."""

    def untag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Remove these tags from the image and its snapshots, where they have these values."""

    def remove(self, image: ObservedImage) -> None:
        """Deregister the image and delete its snapshots."""

    def remove_snapshots(self, region: str, resources: BuildResources, since: str) -> Removal:
        """Delete the snapshots that a bake made since then, without an image of its own."""


class Leftovers(Protocol):
    """A port to the temporary resources that Packer did not remove."""

    def remove(self, region: str, resources: BuildResources, bake: str, since: str) -> Removal:
        """Remove the temporary resources that were created since then."""


class Records(Protocol):
    """A port to the image records of the store."""

    def write(self, image: Image, resources: BuildResources | None = None) -> None:
        """Record the image, replacing an earlier record of the same name."""

    def write_contents(self, image: Image, contents: ImageContents) -> None:
        """Record what an image has."""

    def all(self, app: str) -> Sequence[Image]:
        """Return every recorded image of an app."""

    def unfinished(self, app: str) -> Sequence[tuple[Image, BuildResources]]:
        """Return the bakes of this app that did not end and are not running."""


class Workplace(Protocol):
    """A port to the machine that the bake runs on."""

    def fingerprint(self, request: BakeRequest, source_ami: str, packer: str) -> str:
        """Return the digest of everything that affects the image."""

    def name(self, request: BakeRequest) -> str:
        """Return a new image name that no other bake uses."""

    def now(self) -> str:
        """Return the time, UTC, ISO 8601."""

    def clock(self) -> float:
        """Return the seconds of a monotonic clock."""

    def shield(self) -> AbstractContextManager[None]:
        """Defer signals until the block ends, so that they do not interrupt a clean-up."""

    def noting_writes(self, request: BakeRequest) -> AbstractContextManager[None]:
        """Note which files the build writes inside the block: they are no inputs."""

    def claim(self, bake: str) -> AbstractContextManager[None]:
        """Mark this bake as running, for other runs, until the block ends."""
