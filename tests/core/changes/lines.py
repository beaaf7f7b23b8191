"""Images that are built on each other, of several apps."""

from __future__ import annotations

from pipeline.core.image import Image, ImageStatus


def an_image(app: str, version: str, number: int, source: str, day: int) -> Image:
    return Image(
        app=app,
        version=version,
        name=f"{app}-{version}",
        region="eu-central-1",
        ids={"eu-central-1": f"ami-{number}"},
        source_ami=source,
        created=f"2026-01-0{day}T00:00:00Z",
    )


BASE = an_image("base", "1.0", 10, "ami-5", 1).with_status(ImageStatus.QUARANTINED)
SHOP_OLD = an_image("shop", "1.0", 20, "ami-10", 2)
SHOP = an_image("shop", "2.0", 30, "ami-10", 3)
WEB = an_image("web", "1.0", 40, "ami-5", 3)
LINES = (SHOP, SHOP_OLD, BASE, WEB)
