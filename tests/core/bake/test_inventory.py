from __future__ import annotations

from dataclasses import replace

from pipeline.core.bake.model import Commit
from pipeline.core.changes.model import ComparedImage, ImageContents, Package
from pipeline.core.image import ImageStatus
from tests.fakes import HOME, NAME, SOURCE, World, a_report, a_request, an_image


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


def test_a_bake_says_what_changed_since_the_last_image() -> None:
    made, commit = "2026-01-01T00:00:00Z", "1a2b3c4d" * 5
    last = an_image(status=ImageStatus.GOOD, ids={HOME: "ami-9"}, fingerprint="0", created=made)
    now = a_request(commit=Commit(id="5e6f7a8b" * 5))
    table = (
        (
            replace(last, source_ami="ami-4"),
            a_request(),
            (
                "baking: the source image ami-50000000 "
                "(name of ami-50000000) replaces ami-4 (name of ami-4), the source of ami-9 (1.2.3)"
            ),
        ),
        (
            replace(last, commit=commit),
            now,
            "baking: the commit is 5e6f7a8; that of ami-9 (1.2.3) is 1a2b3c4",
        ),
        (last, now, "baking: an input changed since ami-9 (1.2.3) was baked"),
        (replace(last, environment="staging"), now, None),
        (replace(last, status=ImageStatus.QUARANTINED), now, None),
        (last, replace(now, force=True), None),
    )
    for image, request, said in table:
        world = World()
        world.records.write(image)
        world.bakery.bake(request)
        assert [each for each in world.notes if each.startswith("baking")] == (
            [said] if said else []
        )


def test_a_newer_source_image_is_called_newer() -> None:
    world = World()
    dates = {SOURCE: "2026-01-15T00:00:00Z", "ami-4": "2026-01-01T00:00:00Z"}
    world.images.created = dates
    world.records.write(
        an_image(status=ImageStatus.GOOD, ids={HOME: "ami-9"}, fingerprint="0", source_ami="ami-4")
    )
    world.bakery.bake(a_request())
    assert (
        "baking: the newer source image ami-50000000 (name of ami-50000000, 2026-01-15) replaces "
        "ami-4 (name of ami-4, 2026-01-01), the source of ami-9 (1.2.3)"
    ) in world.notes
