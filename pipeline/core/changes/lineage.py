"""Find which images were built on which: our images built on our images, of any app."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.core.changes.model import ComparedImage, ImageContents
from pipeline.core.image import NO_ITEMS, Image, ImageStatus, Usage


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The images of an account and region that this program baked, of every app."""

    images: Sequence[Image] = ()

    def base(self, image: Image) -> Image | None:
        """Return the image that an image was built on, None if it is not one of these."""
        found = self._by_id.get(image.source_ami)
        return None if found is None or found.id == image.id else found

    def bases(self, image: Image) -> Iterator[Image]:
        """Yield the image that an image was built on, and so on; a cycle of tags ends."""
        seen = {image.id}
        while (base := self.base(image)) and base.id not in seen:
            seen.add(base.id)
            yield base
            image = base

    def quarantined_base(self, image: Image) -> Image | None:
        """Return the nearest quarantined image that an image is built on, None without one."""
        quarantined = (e for e in self.bases(image) if e.status is ImageStatus.QUARANTINED)
        return next(quarantined, None)

    def built_on(self, ami_id: str) -> tuple[Image, ...]:
        """Return the images that are built on an AMI, directly or not, newest first."""
        found = [
            each
            for each in self.images
            if each.source_ami == ami_id or any(b.source_ami == ami_id for b in self.bases(each))
        ]
        found = [each for each in found if each.id != ami_id]
        return tuple(sorted(found, key=_age, reverse=True))

    def roots(self, app: str) -> tuple[Image, ...]:
        """Return the first images of each line that has an image of an app, newest first."""
        lines = (self.first(each) for each in self.images if each.app == app)
        firsts = {each.id: each for each in lines}
        return tuple(sorted(firsts.values(), key=_age, reverse=True))

    def first(self, image: Image) -> Image:
        """Return the first image of the line that an image is in; the image itself if alone.

        Of a cycle, the oldest image is the first one.
        """
        line = (image, *self.bases(image))
        return next((each for each in line if self._begins_cycle(each)), line[-1])

    def built_directly_on(self, image: Image) -> tuple[Image, ...]:
        """Return the images whose source is an image, newest first.

        The first image of a cycle is built on none, so that a tree of images ends.
        """
        found = (each for each in self.images if self.base(each) is image)
        below = (each for each in found if not self._begins_cycle(each))
        return tuple(sorted(below, key=_age, reverse=True))

    def _begins_cycle(self, image: Image) -> bool:
        bases = [*self.bases(image)]
        if not bases or self.base(bases[-1]) is not image:
            return False
        return image is min((image, *bases), key=lambda each: (*_age(each), each.id))

    @cached_property
    def _by_id(self) -> dict[str, Image]:
        return {ami: image for image in self.images for ami in image.ids.values()}


@dataclass(frozen=True, kw_only=True, slots=True)
class LineageReport:
    """The lines of images that have one of the app; `uses` are those of each AMI.

    `sources` are the images of others that they begin with, as far as EC2 describes them.
    """

    app: str
    lineage: Lineage
    uses: Mapping[str, Sequence[Usage]] = field(default_factory=lambda: NO_ITEMS)
    sources: Mapping[str, ComparedImage] = field(default_factory=lambda: NO_ITEMS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReport:
    """One image, what it has, and each image that is built on it; `uses` are those of each AMI.

    `seen` is what EC2 says about an image that this program did not bake.
    """

    image: Image
    contents: ImageContents
    lineage: Lineage
    uses: Mapping[str, Sequence[Usage]] = field(default_factory=lambda: NO_ITEMS)
    seen: ComparedImage = field(default_factory=ComparedImage)


def _age(image: Image) -> tuple[str, str]:
    return image.created, image.name
