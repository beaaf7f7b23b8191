"""What a bake needs of the outside world, as protocols; adapters fulfil them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.core.bake.model import (
    BakeRequest,
    BuildReport,
    BuildResources,
    ObservedImage,
    Source,
    Template,
)
from pipeline.core.image import Image


class Baker(Protocol):
    """Packer."""

    def version(self) -> str:
        """Return Packer's version, for example `1.6.6`."""

    def inspect(self, request: BakeRequest) -> Template:
        """Return what the template declares."""

    def validate(self, request: BakeRequest, variables: Mapping[str, Any]) -> None:
        """Return if Packer accepts the template with these variables."""

    def build(
        self,
        request: BakeRequest,
        name: str,
        template: Template,
        variables: Mapping[str, Any],
        *,
        traced: Callable[[BuildResources], None],
    ) -> BuildReport:
        """Run the build to its end, whichever that is; `traced` hears of each thing it makes."""


class Images(Protocol):
    """AMIs in every region asked for."""

    def resolve(self, source: Source, region: str) -> str:
        """Return the id of the image to bake on."""

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        """Return our own images that carry these tags, newest first."""

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        """Return our own images of exactly this name."""

    def seen(self, region: str, image_id: str) -> ObservedImage | None:
        """Return one of our own images by id, or None."""

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Tag the image and its snapshots."""

    def remove(self, image: ObservedImage) -> None:
        """Deregister the image and delete its snapshots."""


class Leftovers(Protocol):
    """What a Packer that could not clean up left in the account."""

    def remove(self, region: str, traces: BuildResources, bake: str) -> tuple[str, ...]:
        """Remove the temporary instance, key pair and security group; return what was removed."""


class Records(Protocol):
    """The images part of the store."""

    def write(self, image: Image, traces: BuildResources | None = None) -> None:
        """Record the image, replacing an earlier record of the same name."""

    def unfinished(self, app: str) -> Sequence[tuple[Image, BuildResources]]:
        """Return the bakes of this app that began, did not end, and run no more."""


class Workplace(Protocol):
    """The machine the bake runs on."""

    def fingerprint(self, request: BakeRequest, source_ami: str, packer: str) -> str:
        """Return the digest of everything that goes into the image."""

    def name(self, request: BakeRequest) -> str:
        """Return a new image name that no other bake uses."""

    def now(self) -> str:
        """Return the time, UTC, ISO 8601."""

    def clock(self) -> float:
        """Return seconds that only grow."""

    def shield(self) -> AbstractContextManager[None]:
        """Hold signals back until the block ends, so that a clean-up is not cut short."""

    def claim(self, bake: str) -> AbstractContextManager[None]:
        """Let other runs see that this bake is alive while the block lasts."""
