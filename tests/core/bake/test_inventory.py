from __future__ import annotations

from pipeline.core.changes.model import ComparedImage, ImageContents, Package
from tests.fakes import HOME, NAME, SOURCE, World, a_report, a_request


def test_a_bake_records_the_source_and_the_packages_of_its_image() -> None:
    world = World()
    world.baker.report = a_report(packages={"amazon-ebs.app": "curl:amd64\t8.1\n"})
    world.bakery.bake(a_request())
    assert world.records.contents == {
        NAME: ImageContents(
            source=ComparedImage(id=SOURCE, name=f"name of {SOURCE}"),
            packages=(Package(name="curl", version="8.1", arch="amd64"),),
        )
    }


def test_an_image_without_a_record_of_its_packages_is_good() -> None:
    world = World()
    world.images.resists.add("compared")
    assert world.bakery.bake(a_request()).image.ids == {HOME: "ami-1"}
    assert world.notes[-1] == (
        "the packages of ami-1 are not recorded: asking for compared: UnauthorizedOperation; "
        "allow it"
    )
