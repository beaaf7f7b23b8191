"""Define the values of a bake: its request, the template, the build report and the result.

Separate from the tools that produce them, so that the same values are recorded,
shown and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    """The state of the working tree by git; `describe` is empty outside a repository.

    `changes` is a digest of the differences from the commit, empty if there are none.
    """

    describe: str = ""
    id: str = ""
    changes: str = ""

    @property
    def dirty(self) -> bool:
        """Return True if the tree differs from the commit."""
        return bool(self.changes)


@dataclass(frozen=True, kw_only=True, slots=True)
class BakeRequest:
    """The request of one bake; paths are absolute, durations are seconds.

    `variables` are the user's Packer variables. `secrets` are those whose values must never be
    shown, recorded or fingerprinted. `var_files` are passed to Packer; `elsewhere` has the
    variables that these, automatic files and PKR_VAR_* set, with None for a value that is secret or
    not known. `passed` limits the variables that this program sets; None does not. `outputs` are
    files and folders that a bake writes: they are not inputs.
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
    var_files: tuple[Path, ...] = ()
    elsewhere: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
    passed: frozenset[str] | None = None
    source: Source | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    timeout: float = 2700.0
    cancel_grace: float = 120.0
    commit: Commit = field(default_factory=Commit)
    baked_by: str = ""
    force: bool = False

    @property
    def all_regions(self) -> tuple[str, ...]:
        """Return the build region, then the regions that the image is copied to."""
        return (self.region, *(region for region in self.regions if region != self.region))


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A variable as a template declares it.

    `kind` is string, number, bool, list, map, any, `text` in an old JSON template, or another type
    of HCL2. `default` is None if it is no literal. `environment` names what the default reads.
    """

    kind: str = "any"
    required: bool = False
    sensitive: bool = False
    default: Any = None
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """The expressions of arguments of a builder, as they stand in the template.

    `groups` holds `ami_groups` and `snapshot_groups`: AWS knows only the group `all`, which makes
    an image or its snapshots public. `copies` is `ami_regions`, `filter` is the
    `source_ami_filter` in one line, `type` is `instance_type`.
    """

    region: str = ""
    copies: str = ""
    encrypt: str = ""
    groups: str = ""
    filter: str = ""
    type: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """The declarations of a template: variable names, and builds with their builder type.

    `declared`, `builders` (by `type.name`, or by name in an old template) and `locals` are what its
    files say; a variable or builder may be missing there. `unlisted` are files that it uploads and
    that are no inputs.
    """

    old_style: bool
    variables: frozenset[str]
    builds: Mapping[str, str]
    declared: Mapping[str, Declared] = field(default_factory=lambda: NO_ITEMS)
    builders: Mapping[str, Builder] = field(default_factory=lambda: NO_ITEMS)
    locals: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    unlisted: tuple[Path, ...] = ()


class Ending(StrEnum):
    """How a child process ended."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


SPOT_TEMPLATES = "packer-fleet-launch-template-*"
"""How Packer names the launch templates of spot instances (step_run_spot_instance.go)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildResources:
    """The temporary resources that Packer created, by its own output; input of a clean-up.

    `names` are those of the images that it began to make, `images` the ids that it printed,
    `regions` those that it copied the image to. Each of `profiles` is the name of an instance
    profile and of its role. `launch_templates` are ids, or `SPOT_TEMPLATES` for one whose id is not
    known. `volumes` are those that it made snapshots of. `template_regions` are those that the
    template names.
    """

    key_pairs: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    launch_templates: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    template_regions: tuple[str, ...] = ()

    @property
    def any_made(self) -> bool:
        """Return True if Packer named anything that it made."""
        return replace(self, template_regions=()) != BuildResources()

    def with_more(self, other: BuildResources) -> BuildResources:
        """Return the resources of both, without duplicates."""
        pairs = {name: (*getattr(self, name), *getattr(other, name)) for name in self.__slots__}
        return BuildResources(**{name: tuple(dict.fromkeys(pairs[name])) for name in pairs})


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What a removal made go, as AWS shows, and what is left, each with the reason."""

    gone: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    """The result of one `packer build`.

    `images` maps each build with a complete artifact to its AMIs by region. `manifest` is the
    same by the manifest post-processor, or None if the template has no such post-processor.
    `failures` maps build names to Packer's error; `last_lines` are the last ten lines of the
    build that failed. `masked` if Packer hid a part of its result: the value of a sensitive
    variable occurs in it. `packages` maps a build to the text of the list that it downloaded.
    """

    ending: Ending
    code: int
    expected: tuple[str, ...]
    images: Mapping[str, Mapping[str, str]]
    manifest: Mapping[str, str] | None
    failures: Mapping[str, str]
    last_lines: tuple[str, ...]
    resources: BuildResources
    source_ami: str
    log: Path
    masked: bool = False
    packages: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedImage:
    """One AMI as DescribeImages shows it.

    `instance` is the one that CreateImage made it from, `source` the AMI that it was copied from.
    `protection` is the deregistration protection, empty if it is disabled.
    """

    id: str
    region: str
    name: str
    state: str
    public: bool
    created: str
    tags: Mapping[str, str]
    snapshots: tuple[str, ...] = ()
    encrypted: bool = False
    reason: str = ""
    instance: str = ""
    source: str = ""
    protection: str = ""
    architecture: str = ""


class BakeOrigin(StrEnum):
    """How `bake` got the image that it returns."""

    BAKED = "baked"
    UNCHANGED = "unchanged"
    ADOPTED = "adopted"


@dataclass(frozen=True, kw_only=True, slots=True)
class BakeResult:
    """The image that a bake returns and its origin; `log` is None if no build ran.

    `others` are the images of the same bake for other architectures.
    """

    image: Image
    origin: BakeOrigin
    seconds: float
    log: Path | None = None
    others: tuple[Image, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """Return the image of each architecture."""
        return (self.image, *self.others)
