"""Record what a finished image has: its source image and its packages."""

from __future__ import annotations

from pipeline.core.bake.model import BuildReport
from pipeline.core.bake.ports import Images, Records
from pipeline.core.changes.contents import contents_of
from pipeline.core.changes.model import ComparedImage
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.image import Image


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
