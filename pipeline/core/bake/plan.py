"""Define what a bake makes: its request with the resolved source image and the fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.core.bake.cleanup import is_rejected
from pipeline.core.bake.model import BakeRequest, ObservedImage
from pipeline.core.bake.variables import image_tags
from pipeline.core.image import ARCHITECTURES_TAG, TAG_PREFIX, Image, ImageStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class BakePlan:
    """A request with its resolved source image and fingerprint."""

    request: BakeRequest
    source_ami: str
    fingerprint: str

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the image, without its status."""
        return image_tags(self.request, self.source_ami, self.fingerprint)

    def image(
        self, name: str, *, ids: Mapping[str, str], created: str, status: ImageStatus
    ) -> Image:
        """Return the image as it is recorded."""
        request = self.request
        return Image(
            app=request.app,
            version=request.version,
            environment=request.environment,
            name=name,
            bake=name,
            region=request.region,
            ids=dict(ids),
            source_ami=self.source_ami,
            fingerprint=self.fingerprint,
            created=created,
            commit=request.commit.id,
            dirty=request.commit.dirty,
            baked_by=request.baked_by,
            status=status,
            tags=request.tags,
        )

    def image_of(self, observed: Mapping[str, ObservedImage | None]) -> Image:
        """Return the good image that AWS shows in these regions."""
        there = {region: image for region, image in observed.items() if image is not None}
        home = there[self.request.region]
        ids = {region: image.id for region, image in there.items()}
        made = self.image(home.name, ids=ids, created=home.created, status=ImageStatus.GOOD)
        several = home.tags.get(ARCHITECTURES_TAG, "")
        return replace(made, architecture=home.architecture, architectures=several)

    def fits(self, observed: Mapping[str, ObservedImage]) -> bool:
        """Return True if the images of an interrupted bake can be the result of this one."""
        there = self.request.source is not None and {*self.request.all_regions} <= observed.keys()
        return there and not any(map(is_rejected, observed.values()))


def as_tagged(image: Image, observed: ObservedImage) -> Image:
    """Return the image with the commit and the author that its own bake tagged."""
    facts = {
        key: observed.tags.get(TAG_PREFIX + key, "") for key in ("commit", "dirty", "baked-by")
    }
    return replace(
        image,
        commit=facts["commit"],
        dirty=facts["dirty"] == "true",
        baked_by=facts["baked-by"],
    )
