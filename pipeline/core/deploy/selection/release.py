"""Select the image, the size and the facts of a promotion, or the target of a rollback.

Pure functions of the images, the environment's document and the serving group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core import commands
from pipeline.core.changes.inputs import SIZES, Inputs, names_of
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Release, Size
from pipeline.core.state.rollback import (
    ALL_GOOD,
    ImageStates,
    RollbackMode,
    RollbackOption,
    is_same,
    rollback_option,
)
from pipeline.core.state.strategy import Step


def newest_good(images: Iterable[Image], environment: str) -> Image:
    """Return the newest good image of this environment or of all; raises RefusedError if none."""
    candidates = [each for each in images if each.environment in {"", environment} and each.id]
    good = [image for image in candidates if image.status is ImageStatus.GOOD]
    if good:
        return max(good, key=lambda image: (image.created, image.name))
    bad = [image.id for image in candidates if image.status is ImageStatus.QUARANTINED]
    what = f"no good image, only quarantined ones: {', '.join(bad)}" if bad else "no image"
    raise RefusedError("the newest good image", what, commands.bake())


def skipped(images: Iterable[Image], chosen: Image, environment: str) -> tuple[Image, ...]:
    """Return the images of this environment that are newer than the chosen one, newest first."""
    newer = [
        each
        for each in images
        if each.environment in {"", environment}
        and each.id
        and (each.created, each.name) > (chosen.created, chosen.name)
    ]
    return tuple(sorted(newer, key=lambda each: (each.created, each.name), reverse=True))


def image_of(images: Sequence[Image], ami_id: str, app: str, region: str) -> Image:
    """Return the image of an AMI; an AMI that the pipeline did not bake has only its id."""
    found = (image for image in images if ami_id in image.ids.values())
    unknown = Image(app=app, version="", name="", region=region, ids={region: ami_id})
    return next(found, unknown)


def require_promotable(image: Image, *, allow_quarantined: bool, again: str) -> None:
    """Raise RefusedError for an image that is quarantined or not good.

    `again` is the command that allows a quarantined image.
    """
    name = f"image {image.id}"
    match image.status:
        case ImageStatus.GOOD:
            return
        case ImageStatus.QUARANTINED if allow_quarantined:
            return
        case ImageStatus.QUARANTINED:
            what = "is quarantined, because a release of it was rolled back"
            raise RefusedError(name, what, f"bake another image; to use this one: {again}")
        case _:
            raise RefusedError(name, f"has status {image.status}, not good", commands.images())


def size_instead(size: Size, lost: ReleaseRecord | None) -> Size:
    """Return the configured size, but at least that of the deleted group it replaces."""
    if lost is None:
        return size
    desired = max(size.desired, lost.release.size.desired)
    return replace(size, desired=desired, maximum=max(size.maximum, desired))


def size_beside(
    size: Size, blue: ObservedGroup | None, changed: AbstractSet[str] = frozenset()
) -> Size:
    """Return the size of a new group: that of the serving group, or the configured one.

    The minimum is the desired capacity, so that no policy shrinks the group before it has
    traffic. The configured minimum comes back at the end. A size that is `changed` in the
    configuration since the serving release counts, but never makes the group smaller than the
    serving one is now.
    """
    if blue is None:
        return Size(
            instance_type=size.instance_type,
            minimum=size.desired,
            maximum=size.maximum,
            desired=size.desired,
        )
    _, maximum, desired = SIZES
    wanted = max(blue.desired, size.minimum, size.desired if desired in changed else 1)
    most = size.maximum if maximum in changed else max(blue.maximum, size.maximum)
    return Size(
        instance_type=size.instance_type,
        minimum=wanted,
        maximum=max(most, wanted),
        desired=wanted,
    )


def first_size(size: Size, steps: Sequence[Step], blue: ObservedGroup | None) -> Size:
    """Return the size at which a new group is launched: that of a canary's first step.

    A canary by members grows from step to step; any other group is launched whole.
    """
    if blue is None or not steps:
        return size
    part = steps[0].size(size.desired)
    return replace(size, minimum=part, desired=part)


def minimum_after(
    size: Size, blue: ObservedGroup | None, changed: AbstractSet[str] = frozenset()
) -> int:
    """Return the minimum of a group once it serves: blue's, which a person may have changed.

    It is the configured one if that is `changed` since the serving release.
    """
    return size.minimum if blue is None or SIZES[0] in changed else blue.minimum


def new_release(
    document: Environment,
    image: Image,
    size: Size,
    *,
    minimum: int,
    deployment: str,
    root_device: str,
    inputs: Inputs | None = None,
) -> ReleaseRecord:
    """Return the record of a new release, with the environment's next number."""
    facts = {"deployment": deployment, "version": image.version, "root_device": root_device}
    release = Release(
        number=document.next,
        ami_id=image.id,
        size=size,
        facts={name: value for name, value in facts.items() if value},
        policies=names_of(inputs, "scaling_policies"),
        schedules=names_of(inputs, "schedules"),
    )
    return ReleaseRecord(
        release=release,
        image_name=image.name,
        version=image.version,
        minimum=minimum,
        inputs=inputs,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackTarget:
    """Where a rollback leads: a release with a warm group, or an image for a new release.

    `inputs` are those of the earlier release whose image is used, None for the configured ones.
    """

    release: str
    ami_id: str
    warm: bool
    inputs: Inputs | None = None


def target_of(
    document: Environment,
    to: str,
    now: datetime,
    *,
    allow_quarantined: bool = False,
    missing: AbstractSet[str] = frozenset(),
    images: ImageStates = ALL_GOOD,
) -> RollbackTarget:
    """Return where a rollback leads; raises RefusedError if there is no target.

    `to` is a release, an AMI id, or empty for the rollback that `status` shows. `missing` are
    releases whose groups were deleted.
    """
    if not document.serving and not document.retired:
        raise _no_target(document, "no managed release serves yet")
    if not to:
        return _default_target(
            document, rollback_option(document, (), now, missing, images), allow_quarantined
        )
    target = _named_target(document, to)
    if not allow_quarantined and _is_quarantined(document, target):
        raise _quarantined(document, to)
    return replace(target, warm=target.warm and target.release not in missing)


def _default_target(
    document: Environment, way: RollbackOption, allow_quarantined: bool
) -> RollbackTarget:
    if way.mode is RollbackMode.NONE:
        raise _no_target(document, way.reason)
    if way.quarantined and not allow_quarantined:
        raise _quarantined(document, way.release)
    return RollbackTarget(
        release=way.release,
        ami_id=way.ami_id,
        warm=way.mode is RollbackMode.WARM,
        inputs=recorded_inputs(document, way.release),
    )


def _named_target(document: Environment, to: str) -> RollbackTarget:
    if to.startswith("ami-"):
        return _target_of_image(document, to)
    if to in document.releases:
        kept = document.releases[to]
        return RollbackTarget(release=to, ami_id=kept.release.ami_id, warm=True, inputs=kept.inputs)
    found = next((past for past in document.retired if past.release == to), None)
    if found is None:
        raise _no_target(document, f"{to} is not among the releases that served recently")
    serving = document.releases.get(document.serving)
    if serving and is_same(found, serving):
        return RollbackTarget(release=document.serving, ami_id=found.ami_id, warm=True)
    return RollbackTarget(release=to, ami_id=found.ami_id, warm=False, inputs=found.inputs)


def why_quick(document: Environment, target: RollbackTarget, window: int) -> str:
    """Return why a cold rollback does not soak and observe, empty if it does.

    The target is one of the last `window` releases that served, with the inputs that it had, and
    its image is not quarantined.
    """
    recent = {each.release for each in document.retired[:window] if not each.quarantined}
    if target.inputs is None or target.release not in recent:
        return ""
    last = "the last release" if window == 1 else f"one of the last {window} releases"
    return f"{target.release} is {last} that served: without soak and observe"


def recorded_inputs(document: Environment, release: str) -> Inputs | None:
    """Return the inputs that a release was made with, None if they are not recorded."""
    kept = document.releases.get(release)
    past = next((each for each in document.retired if each.release == release), None)
    return kept.inputs if kept else past.inputs if past else None


def _is_quarantined(document: Environment, target: RollbackTarget) -> bool:
    """Return True if the document says that the image was rolled back from; the serving is not."""
    past = any(each.quarantined for each in document.retired if each.ami_id == target.ami_id)
    return past and target.release != document.serving


def _quarantined(document: Environment, to: str) -> RefusedError:
    name = document.environment
    again = commands.rollback(name, to=to, allow_quarantined=True)
    what = f"the image of {to} is quarantined, because a release of it was rolled back"
    if to.startswith("ami-"):
        what = f"{to} is quarantined, because a release of it was rolled back"
    return RefusedError(f"rollback of {name}", what, f"to use it anyway: {again}")


def _target_of_image(document: Environment, ami_id: str) -> RollbackTarget:
    """Return a release of an image that has a group, the serving one first, or the image."""
    order = sorted(document.releases, key=lambda name: (name != document.serving, name))
    for name in order:
        if document.releases[name].release.ami_id == ami_id:
            return RollbackTarget(release=name, ami_id=ami_id, warm=True)
    return RollbackTarget(release="", ami_id=ami_id, warm=False)


def _no_target(document: Environment, why: str) -> RefusedError:
    name = document.environment
    remedy = f"{commands.history(name)}; or promote an image of: {commands.images()}"
    return RefusedError(f"rollback of {name}", f"no release to roll back to: {why}", remedy)
