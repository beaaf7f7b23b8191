"""Define what a release brings compared with the serving one: the value that every screen shows.

It is recorded with the deployment, because its sources end: images are pruned, source images are
deregistered, and git forgets branches.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.changes.inputs import InputChange

MOST_LISTED = 100
"""How many commits and packages a record lists; it counts the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedImage:
    """An image: its AMI, name, version and time of creation (ISO 8601), each empty if unknown.

    `created` of a source image is EC2's CreationDate. `quarantined` marks an image that this
    program baked and that a deployment rolled back from.
    """

    id: str = ""
    name: str = ""
    version: str = ""
    created: str = ""
    quarantined: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageChange:
    """The images of two releases; None for a side without one. `unknown` says what is not known."""

    before: ComparedImage | None = None
    after: ComparedImage | None = None
    unknown: str = ""

    @property
    def differs(self) -> bool:
        """Return True if both are known and are not the same AMI."""
        both = self.before and self.after
        return bool(both and self.before and self.after and self.before.id != self.after.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedCommit:
    """A commit: its full id, its subject as git has it, its author and its date (ISO 8601)."""

    id: str
    subject: str
    author: str = ""
    date: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitChange:
    """The commits of two images, newest first; `before` and `after` are full ids.

    `added` are those that only the new image has, `removed` those that only the old one has, as a
    rollback's. `more` counts those that are not listed. `dirty` says that the new image has changes
    that were not committed. `link` is a page that compares both. `unknown` says why there is no
    list.
    """

    before: str = ""
    after: str = ""
    added: tuple[ListedCommit, ...] = ()
    removed: tuple[ListedCommit, ...] = ()
    more: int = 0
    dirty: bool = False
    link: str = ""
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """An installed package; `version` has the epoch and release as its system writes them.

    `arch` is that of the package system, empty if the list does not say it.
    """

    name: str
    version: str
    arch: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContents:
    """What a bake found in an image: the source image, and the packages, None if unknown.

    `unknown` says why the packages are unknown.
    """

    source: ComparedImage = ComparedImage()
    packages: tuple[Package, ...] | None = None
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageUpdate:
    """A package that both images have, in different versions."""

    name: str
    before: str
    after: str
    arch: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChanges:
    """The packages that differ, by name; `more` counts those that are not listed.

    `unknown` says why they cannot be compared.
    """

    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    upgraded: tuple[PackageUpdate, ...] = ()
    downgraded: tuple[PackageUpdate, ...] = ()
    more: int = 0
    unknown: str = ""

    @property
    def total(self) -> int:
        """Return how many packages differ."""
        lists = (self.added, self.removed, self.upgraded, self.downgraded)
        return sum(map(len, lists)) + self.more


@dataclass(frozen=True, kw_only=True, slots=True)
class InputChanges:
    """The inputs that differ; `unknown` says why they cannot be compared."""

    changed: tuple[InputChange, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSize:
    """The size of a server group in instances, and their type, empty if unknown."""

    instance_type: str
    minimum: int
    maximum: int
    desired: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeChange:
    """The sizes of the serving group and of the new one at its launch; None for no group.

    `unknown` says why the serving group's is not known.
    """

    before: GroupSize | None = None
    after: GroupSize | None = None
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtraHours:
    """The instance-hours that a deployment needs because both groups run.

    `deployment` is until the old group is no longer needed, `warm` while it stays for a rollback.
    `stays` is how many instances run on after that, until what `until` says. `unknown` says what is
    not counted.
    """

    deployment: float = 0.0
    warm: float = 0.0
    stays: int = 0
    until: str = ""
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What a release brings compared with the one that serves; each part says what is unknown."""

    image: ImageChange = ImageChange()
    source: ImageChange = ImageChange()
    commits: CommitChange = CommitChange()
    packages: PackageChanges = PackageChanges()
    inputs: InputChanges = InputChanges()
    size: SizeChange = SizeChange()
    extra: ExtraHours = ExtraHours()
