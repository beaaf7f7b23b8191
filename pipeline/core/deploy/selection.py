"""Which image a promotion puts into service, of what size, and what its release is told.

Pure: from what is known of images, the environment's document and the group that serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.deployment import Deployment, Place
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Release, Size
from pipeline.core.state.status import RollbackMode, rollback_option


def newest_good(images: Iterable[Image], environment: str) -> Image:
    """Return the newest good image made for this environment or for any.

    Raises RefusedError where there is none.
    """
    meant = [image for image in images if image.environment in {"", environment} and image.id]
    good = [image for image in meant if image.status is ImageStatus.GOOD]
    if good:
        return max(good, key=lambda image: (image.created, image.name))
    quarantined = [image.id for image in meant if image.status is ImageStatus.QUARANTINED]
    what = f"{', '.join(quarantined)}: quarantined" if quarantined else "there is none"
    raise RefusedError("the newest good image", what, "bake one: ami-pipeline bake")


def image_of(images: Sequence[Image], ami_id: str, app: str, region: str) -> Image:
    """Return what is known of an AMI; one that nobody baked with us is known by its id alone."""
    found = (image for image in images if ami_id in image.ids.values())
    unknown = Image(app=app, version="", name="", region=region, ids={region: ami_id})
    return next(found, unknown)


def require_promotable(image: Image, *, allow_quarantined: bool, environment: str) -> None:
    """Raise RefusedError for an image that was rolled back from, or that is no good image."""
    name = f"image {image.id}"
    again = f"ami-pipeline promote -e {environment} --image {image.id} --allow-quarantined"
    match image.status:
        case ImageStatus.GOOD:
            return
        case ImageStatus.QUARANTINED if allow_quarantined:
            return
        case ImageStatus.QUARANTINED:
            what = "was rolled back from, so it is quarantined"
            raise RefusedError(name, what, f"bake another; or, if you are sure: {again}")
        case _:
            what = f"its status is {image.status}, not good"
            raise RefusedError(name, what, "see: ami-pipeline images")


def size_instead(size: Size, lost: ReleaseRecord | None) -> Size:
    """Return the configured size, but no less than what a group that is gone began with."""
    if lost is None:
        return size
    desired = max(size.desired, lost.release.size.desired)
    return replace(size, desired=desired, maximum=max(size.maximum, desired))


def size_beside(size: Size, blue: ObservedGroup | None) -> Size:
    """Return the size of a new group: that of the one that serves now, or the configured one.

    Its minimum is what it is to have, so that no policy shrinks it before it has traffic;
    the configured minimum comes back at the end.
    """
    if blue is None:
        return Size(
            instance_type=size.instance_type,
            minimum=size.desired,
            maximum=size.maximum,
            desired=size.desired,
        )
    wanted = max(blue.desired, size.minimum, 1)
    return Size(
        instance_type=size.instance_type,
        minimum=wanted,
        maximum=max(blue.maximum, size.maximum, wanted),
        desired=wanted,
    )


def minimum_after(size: Size, blue: ObservedGroup | None) -> int:
    """Return the minimum a group gets once it serves: blue's own, which a person may have set."""
    return size.minimum if blue is None else blue.minimum


def new_release(
    document: Environment,
    image: Image,
    size: Size,
    *,
    minimum: int,
    deployment: str,
    root_device: str,
) -> ReleaseRecord:
    """Return the release that a promotion makes, with the environment's next number."""
    facts = {"deployment": deployment, "version": image.version, "root_device": root_device}
    release = Release(
        number=document.next,
        ami_id=image.id,
        size=size,
        facts={name: value for name, value in facts.items() if value},
    )
    return ReleaseRecord(
        release=release, image_name=image.name, version=image.version, minimum=minimum
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackTarget:
    """Where a rollback leads: a release whose group is still there, or an image of which it is."""

    release: str
    ami_id: str
    warm: bool


def target_of(document: Environment, to: str, now: datetime) -> RollbackTarget:
    """Return where a rollback leads; raises RefusedError where it leads nowhere.

    `to` is a release, an AMI id, or empty for what `status` says a rollback would do.
    """
    if not document.serving and not document.retired:
        raise _nowhere(document, "nothing serves yet")
    if not to:
        way = rollback_option(document, (), now)
        if way.mode is RollbackMode.NONE:
            raise _nowhere(document, way.reason)
        return RollbackTarget(
            release=way.release, ami_id=way.ami_id, warm=way.mode is RollbackMode.WARM
        )
    if to.startswith("ami-"):
        return _target_of_image(document, to)
    if to in document.releases:
        return RollbackTarget(release=to, ami_id=document.releases[to].release.ami_id, warm=True)
    found = next((past for past in document.retired if past.release == to), None)
    if found is None:
        raise _nowhere(document, f"{to} never served here, or too long ago")
    serving = document.releases.get(document.serving)
    if (
        serving and found.ami_id == serving.release.ami_id
    ):  # A new release of it would quarantine what it serves.
        return RollbackTarget(release=document.serving, ami_id=found.ami_id, warm=True)
    return RollbackTarget(release=to, ami_id=found.ami_id, warm=False)


def _target_of_image(document: Environment, ami_id: str) -> RollbackTarget:
    """Return the release of an image whose group is there, the serving one first, or the image."""
    order = sorted(document.releases, key=lambda name: (name != document.serving, name))
    for name in order:
        if document.releases[name].release.ami_id == ami_id:
            return RollbackTarget(release=name, ami_id=ami_id, warm=True)
    return RollbackTarget(release="", ami_id=ami_id, warm=False)


def _nowhere(document: Environment, why: str) -> RefusedError:
    name = document.environment
    remedy = (
        f"see what was: ami-pipeline history -e {name}; or promote an image: ami-pipeline images"
    )
    return RefusedError(f"rollback of {name}", f"there is nothing to go back to: {why}", remedy)


def hook_facts(
    deployment: Deployment, place: Place, group: str, addresses: Sequence[str]
) -> dict[str, str]:
    """Return what verify hooks find in their environment."""
    facts = {
        "APP": place.app,
        "ENVIRONMENT": place.environment,
        "REGION": place.region,
        "DEPLOYMENT": deployment.id,
        "RELEASE": deployment.green,
        "PREVIOUS_RELEASE": deployment.blue,
        "IMAGE": deployment.image,
        "VERSION": deployment.version,
        "GROUP": group,
        "ADDRESSES": " ".join(addresses),
    }
    return {f"AMI_PIPELINE_{name}": value for name, value in facts.items()}
