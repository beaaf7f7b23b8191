"""The nouns: what a bake is asked to make and what it made. Frozen, no behaviour beyond questions.

Kept apart from every tool that produces them, so that what is recorded, shown
and compared is the same thing whichever tool said it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.core.image import NO_ITEMS, Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The image to bake on: either `id`, or the newest of `owner` whose name matches `name`."""

    id: str = ""
    owner: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """What git says of the working tree: `describe` is empty outside a repository.

    `changes` is a digest of what differs from the commit, empty when nothing does.
    """

    describe: str = ""
    id: str = ""
    changes: str = ""

    @property
    def dirty(self) -> bool:
        """Whether the tree differs from the commit."""
        return bool(self.changes)


@dataclass(frozen=True, kw_only=True, slots=True)
class BakeRequest:
    """Everything a bake was asked for; paths are absolute, durations are seconds.

    `variables` are Packer variables by the user; `secrets` holds those whose
    values must never be shown, recorded or fingerprinted, and `overrides` those
    that say how to reach the cloud (endpoint, SSH), which are no part of the image.
    `outputs` are the files and folders that a bake writes: they are no inputs.
    """

    app: str
    version: str
    region: str
    template: Path
    directory: Path
    environment: str = ""
    regions: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
    secrets: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
    overrides: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    source: Source | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    timeout: float = 2700.0
    cancel_grace: float = 120.0
    commit: Commit = field(default_factory=Commit)
    baked_by: str = ""
    force: bool = False

    @property
    def all_regions(self) -> tuple[str, ...]:
        """The build region first, then the regions copied to."""
        return (self.region, *(region for region in self.regions if region != self.region))


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """What Packer says a template declares: variable names, and builds with their builder type."""

    old_style: bool
    variables: frozenset[str]
    builds: Mapping[str, str]


class Ending(StrEnum):
    """How a child process came to its end."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildResources:
    """Names of what Packer made on the way, read from its own words; for the clean-up."""

    key_pairs: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def with_more(self, other: BuildResources) -> BuildResources:
        """Return these and what only the other names."""
        pairs = {name: (*getattr(self, name), *getattr(other, name)) for name in self.__slots__}
        return BuildResources(**{name: tuple(dict.fromkeys(pairs[name])) for name in pairs})


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    """What one `packer build` did.

    `images` maps each build that ended with a complete artifact to its AMIs by
    region; `manifest` is the same as the manifest post-processor wrote it, or
    None where the template has none. `failures` maps build names to Packer's
    error; `last_lines` are the last ten lines of the build that failed.
    """

    ending: Ending
    code: int
    expected: tuple[str, ...]
    images: Mapping[str, Mapping[str, str]]
    manifest: Mapping[str, str] | None
    failures: Mapping[str, str]
    last_lines: tuple[str, ...]
    traces: BuildResources
    source_ami: str
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedImage:
    """One AMI as DescribeImages shows it."""

    id: str
    region: str
    name: str
    state: str
    public: bool
    created: str
    tags: Mapping[str, str]
    snapshots: tuple[str, ...] = ()
    reason: str = ""


class BakeOrigin(StrEnum):
    """Why `bake` could return this image."""

    BAKED = "baked"
    UNCHANGED = "unchanged"
    ADOPTED = "adopted"


@dataclass(frozen=True, kw_only=True, slots=True)
class BakeResult:
    """The image a bake ends with and how it came about; `log` is None where no build ran."""

    image: Image
    how: BakeOrigin
    seconds: float
    log: Path | None = None
