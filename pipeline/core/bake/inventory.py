"""Say why an image is baked, and record what it has: its source image and its packages."""

from __future__ import annotations

from pipeline.core.bake.model import BuildReport
from pipeline.core.bake.plan import BakePlan
from pipeline.core.bake.ports import Images, Records
from pipeline.core.changes.contents import contents_of
from pipeline.core.changes.model import ComparedImage
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.image import Image, ImageStatus


def why_baked(images: Images, records: Records, plan: BakePlan) -> str:
    """Return what changed since the newest good image, empty if that is not known."""
    request = plan.request
    found = [each for each in records.all(request.app) if _is_comparable(each, plan)]
    if request.force or not found or not plan.source_ami:
        return ""
    last = max(found, key=lambda each: (each.created, each.name))
    since = f"{last.id} ({last.version})"
    if last.source_ami != plan.source_ami:
        old, new = _described(images, request.region, last.source_ami, plan.source_ami)
        newer = "newer " if "" < old.created < new.created else ""
        return f"the {newer}source image {_name(new)} replaces {_name(old)}, the source of {since}"
    if last.commit != request.commit.id and last.commit and request.commit.id:
        return f"the commit is {request.commit.id[:7]}; that of {since} is {last.commit[:7]}"
    return f"an input changed since {since} was baked"


def _is_comparable(image: Image, plan: BakePlan) -> bool:
    request = plan.request
    same = (image.environment, image.region) == (request.environment, request.region)
    return same and image.status is ImageStatus.GOOD and bool(image.id)


def _described(
    images: Images, region: str, old: str, new: str
) -> tuple[ComparedImage, ComparedImage]:
    try:
        found = images.compared(region, [each for each in (old, new) if each])
    except RefusedError:
        found = {}
    return found.get(old, ComparedImage(id=old)), found.get(new, ComparedImage(id=new))


def _name(image: ComparedImage) -> str:
    facts = ", ".join(each for each in (image.name, image.created[:10]) if each)
    return f"{image.id} ({facts})" if facts else image.id or "an unknown one"


def record_contents(
    images: Images, records: Records, report: Report, image: Image, built: BuildReport
) -> None:
    """Record the contents of an image; an error is only reported, because the image is good."""
    try:
        known = images.compared(image.region, [image.source_ami] if image.source_ami else [])
        source = known.get(image.source_ami, ComparedImage(id=image.source_ami))
        found = contents_of(built.packages, built.images, image.ids, source)
        records.write_contents(image, found)
    except RefusedError as error:
        what = f"the packages of {image.id} are not recorded: {error.where}: {error.what}"
        report(Message(text=f"{what}; {error.remedy}"))
