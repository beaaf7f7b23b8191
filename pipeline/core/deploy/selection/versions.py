"""Find the image or the release that a version names; a version may have several.

One bake may make an image of each architecture. An environment uses the one that its instance type
runs; if there is none, preflight refuses the other one and names both. Pure functions. An id is
unambiguous and is used as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """An AMI or a release by its id; `note` says so if a version named several."""

    id: str
    note: str = ""


def is_version(name: str) -> bool:
    """Return True if a checked name is neither an AMI nor a release."""
    is_release = name.startswith("r") and name[1:].isdigit() and len(name) > 6  # noqa: PLR2004
    return bool(name) and not name.startswith("ami-") and not is_release


def architectures(images: Iterable[Image]) -> frozenset[str]:
    """Return the architectures that are known of these images."""
    return frozenset(each.architecture for each in images) - {""}


def runnable(images: Sequence[Image], supported: AbstractSet[str]) -> tuple[Image, ...]:
    """Return the images that an instance type with these architectures runs, or may run."""
    return tuple(each for each in images if each.architecture in {"", *supported})


def choose_images(
    images: Sequence[Image], supported: AbstractSet[str], version: str = ""
) -> tuple[Image, ...]:
    """Return the images to choose from: those that can run, if any of them fits at all.

    That is a good one, or one of the version.
    """
    found = runnable(images, supported)
    fits = (each.version == version if version else each.status is _GOOD for each in found)
    return found if any(fits) else tuple(images)


def beside(images: Sequence[Image], image: Image, supported: AbstractSet[str]) -> Image:
    """Return the image of the same bake that can run, or the image itself if there is none.

    The images of a bake have the same fingerprint.
    """
    if image.architecture in {"", *supported}:
        return image
    found = [
        each
        for each in runnable(images, supported)
        if each.architectures
        and (each.architectures, each.version, each.fingerprint, each.status)
        == (image.architectures, image.version, image.fingerprint, _GOOD)
    ]
    return max(found, key=lambda each: (each.created, each.name), default=image)


_GOOD = ImageStatus.GOOD


def image_named(images: Iterable[Image], version: str, environment: str) -> Named:
    """Return the newest good image of a version, for this environment or for all.

    Without a good one it is the newest, which the caller refuses by its status. Raises
    RefusedError if there is none.
    """
    usable = [each for each in images if each.id and each.environment in {"", environment}]
    usable = [each for each in usable if each.status is not ImageStatus.GONE]
    found = sorted(
        (each for each in usable if each.version == version),
        key=lambda each: (each.status is ImageStatus.GOOD, each.created, each.name),
        reverse=True,
    )
    if not found:
        raise _unknown(version, [each.version for each in usable])
    ids = [each.id for each in found]
    return Named(id=ids[0], note=_note(version, ids, found[0].status))


def release_named(document: Environment, version: str) -> Named | None:
    """Return the newest release of a version that a rollback may lead to; None if there is none.

    A quarantined image comes last, the serving release only if it is the only one.
    """
    kept = {
        name: (each.version, False) for name, each in document.releases.items() if not each.failed
    }
    past = {each.release: (each.version, each.quarantined) for each in document.retired}
    known = {**kept, **past}
    found = sorted(
        (name for name in known if known[name][0] == version),
        key=lambda name: (name != document.serving, not known[name][1], name),
        reverse=True,
    )
    if not found:
        return None
    status = ImageStatus.QUARANTINED if known[found[0]][1] else ImageStatus.GOOD
    return Named(id=found[0], note=_note(version, found, status))


def _note(version: str, ids: Sequence[str], status: ImageStatus) -> str:
    if len(ids) == 1:
        return ""
    good = "newest good one" if status is ImageStatus.GOOD else f"newest one, which is {status}"
    return f"version {version} is that of {', '.join(ids)}: choosing {ids[0]}, the {good}"


def _unknown(version: str, known: Sequence[str]) -> RefusedError:
    near = get_close_matches(version, {*known} - {""}, n=1)
    hint = f"; the nearest is {near[0]}" if near else ""
    return RefusedError(f"version {version}", f"no image has this version{hint}", commands.images())
