from __future__ import annotations

from pipeline.core.changes.contents import EMPTY, NO_LIST, contents_of
from pipeline.core.changes.model import ComparedImage, ImageContents, Package

SOURCE = ComparedImage(id="ami-5")
BUILDS = {"amazon-ebs.x86": {"eu-central-1": "ami-1"}, "amazon-ebs.arm": {"eu-central-1": "ami-2"}}
LISTS = {"amazon-ebs.x86": "curl\t8.1\n", "amazon-ebs.arm": "no list\n"}


def test_an_image_has_the_packages_of_the_build_that_made_it() -> None:
    table = {
        "ami-1": ImageContents(source=SOURCE, packages=(Package(name="curl", version="8.1"),)),
        "ami-2": ImageContents(source=SOURCE, unknown=EMPTY),
        "ami-3": ImageContents(source=SOURCE, unknown=NO_LIST),
    }
    found = {id_: contents_of(LISTS, BUILDS, {"eu-central-1": id_}, SOURCE) for id_ in table}
    assert found == table
