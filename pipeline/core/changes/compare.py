"""Compare two images, or two releases: an image with its inputs and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.core.changes.inputs import Inputs, input_changes
from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ComparedImage,
    GroupSize,
    ImageChange,
    ImageContents,
    InputChanges,
    PackageChanges,
    PackageUpdate,
    SizeChange,
)
from pipeline.core.changes.packages import package_changes
from pipeline.core.image import Image

NOTHING_READ = ImageContents()


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of two that are compared: an image, and for a release its inputs and its size.

    `inputs` is None if they are not recorded. `is_release` says that an image has inputs at all.
    """

    image: Image
    contents: ImageContents = NOTHING_READ
    inputs: Inputs | None = None
    size: GroupSize | None = None
    is_release: bool = False


def compare(before: Side | None, after: Side) -> Changes:
    """Return what differs; `before` is None for the first release, of which nothing differs."""
    return Changes(
        image=ImageChange(
            before=compared(before.image) if before else None, after=compared(after.image)
        ),
        source=_sources(before, after),
        commits=_commits(before, after),
        packages=_packages(before, after),
        inputs=_inputs(before, after),
        size=_sizes(before, after),
    )


def reverse(changes: Changes) -> Changes:
    """Return what going back brings: the same differences, from the new side to the old one.

    It needs no other group, so it has no extra instance-hours.
    """
    packages, commits, size = changes.packages, changes.commits, changes.size
    return Changes(
        image=_reverse(changes.image),
        source=_reverse(changes.source),
        commits=replace(
            commits,
            before=commits.after,
            after=commits.before,
            added=commits.removed,
            removed=commits.added,
            dirty=False,
        ),
        packages=replace(
            packages,
            added=packages.removed,
            removed=packages.added,
            upgraded=tuple(map(_back, packages.downgraded)),
            downgraded=tuple(map(_back, packages.upgraded)),
        ),
        inputs=replace(
            changes.inputs,
            changed=tuple(
                replace(each, before=each.after, after=each.before)
                for each in changes.inputs.changed
            ),
        ),
        size=replace(size, before=size.after, after=size.before),
    )


def _reverse(change: ImageChange) -> ImageChange:
    return replace(change, before=change.after, after=change.before)


def _back(update: PackageUpdate) -> PackageUpdate:
    return replace(update, before=update.after, after=update.before)


def compared(image: Image) -> ComparedImage:
    """Return the facts of an image that people compare."""
    return ComparedImage(id=image.id, name=image.name, version=image.version, created=image.created)


def source_of(side: Side) -> ComparedImage:
    """Return the source image of a side: as it was described, else its recorded id."""
    return side.contents.source if side.contents.source.id else _recorded_source(side.image)


def _recorded_source(image: Image) -> ComparedImage:
    return ComparedImage(id=image.source_ami)


def _sources(before: Side | None, after: Side) -> ImageChange:
    sides = [source_of(each) if each else None for each in (before, after)]
    old, new = (each if each and each.id else None for each in sides)
    missing = [each.image for each in (before, after) if each and not source_of(each).id]
    return ImageChange(before=old, after=new, unknown=_not_recorded(missing, "source image"))


def _commits(before: Side | None, after: Side) -> CommitChange:
    old, new = before.image.commit if before else "", after.image.commit
    missing = [each.image for each in (before, after) if each and not each.image.commit]
    unknown = _not_recorded(missing, "commit") if before else ""
    return CommitChange(before=old, after=new, dirty=after.image.dirty, unknown=unknown)


def _not_recorded(images: Sequence[Image], what: str) -> str:
    if not images:
        return ""
    names = " and ".join(each.id or "an adopted release" for each in images)
    return f"the {what} of {names} is not recorded"


def _packages(before: Side | None, after: Side) -> PackageChanges:
    if before is None:
        return PackageChanges()
    for side in (before, after):
        if side.contents.packages is None:
            where = side.image.id or "an adopted release"
            why = side.contents.unknown or "no list was downloaded"
            return PackageChanges(unknown=f"those of {where}: {why}")
    return package_changes(before.contents.packages or (), after.contents.packages or ())


def _sizes(before: Side | None, after: Side) -> SizeChange:
    if before is None or not (before.is_release and after.is_release):
        return SizeChange(after=after.size)
    known = before.size is not None and after.size is not None
    unknown = "" if known else "that of one of the groups is not recorded"
    return SizeChange(before=before.size, after=after.size, unknown=unknown)


def _inputs(before: Side | None, after: Side) -> InputChanges:
    if before is None or not (before.is_release and after.is_release):
        return InputChanges()
    if before.inputs is None or after.inputs is None:
        return InputChanges(unknown="those of an adopted or old release are not recorded")
    return InputChanges(changed=input_changes(before.inputs, after.inputs))
