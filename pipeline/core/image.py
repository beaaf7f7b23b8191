"""Define a baked image with its facts; separate from the bake, which a deployment does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

NO_ITEMS: Mapping[str, Any] = MappingProxyType({})

TAG_PREFIX = "ami-pipeline:"
FINGERPRINT_TAG = TAG_PREFIX + "fingerprint"
STATUS_TAG = TAG_PREFIX + "status"
BAKE_TAG = TAG_PREFIX + "bake"
ARCHITECTURES_TAG = TAG_PREFIX + "architectures"
"""On each image of a bake that made several: their architectures, with a space between."""


class ImageStatus(StrEnum):
    """The status of an image: `BAKING` until verified, `LEFT` after a cancelled bake.

    `QUARANTINED` was good and served, and a deployment rolled back from it.
    """

    BAKING = "baking"
    GOOD = "good"
    BAD = "bad"
    QUARANTINED = "quarantined"
    LEFT = "left"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A baked AMI with its facts.

    `ids` maps each region to the AMI there; `created` is UTC, ISO 8601. `bake` names
    the bake that made it: the same as `name` unless the template names its image.
    `reason` says why the status is not good; it may be empty. `architecture` is EC2's name, such as
    `arm64`, empty if it is not known. `architectures` names those of all images of its bake, with a
    space between, if there are several.
    """

    app: str
    version: str
    name: str
    region: str
    ids: Mapping[str, str]
    bake: str = ""
    environment: str = ""
    source_ami: str = ""
    fingerprint: str = ""
    created: str = ""
    commit: str = ""
    dirty: bool = False
    baked_by: str = ""
    status: ImageStatus = ImageStatus.GOOD
    tags: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    reason: str = ""
    architecture: str = ""
    architectures: str = ""

    @property
    def id(self) -> str:
        """Return the AMI in the configured region, or an empty string."""
        return self.ids.get(self.region, "")

    def with_status(self, status: ImageStatus) -> Image:
        """Return the same image with another status."""
        return replace(self, status=status)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """One use of an image: a launch template's current version, a group, an instance."""

    kind: str
    name: str
