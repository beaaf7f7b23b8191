from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.core.changes.lineage import ImageReport, Lineage, LineageReport
from pipeline.core.changes.model import ComparedImage, ImageContents, Package
from pipeline.core.image import Image, ImageStatus, Usage
from pipeline.ui.reports.dashboard import images_page
from pipeline.ui.reports.images import (
    image_report_document,
    image_text,
    images_document,
    images_text,
    tree_document,
    tree_text,
)
from pipeline.ui.results import as_json
from tests.core.changes.lines import BASE, LINES, SHOP, SHOP_OLD, WEB
from tests.fakes import an_image

NOW = datetime(2026, 1, 4, tzinfo=UTC)
IMAGE = an_image(
    ids={"us-east-1": "ami-2", "eu-central-1": "ami-1"}, status=ImageStatus.GOOD, name="web-1"
)
ARM = replace(IMAGE, name="web-1-arm", ids={"eu-central-1": "ami-3"}, architecture="arm64")
INTEL = replace(IMAGE, architecture="x86_64")


def test_images_of_two_architectures_are_listed_with_them() -> None:
    assert images_text([(INTEL, ()), (ARM, ())], NOW, keep=1) == (
        "IMAGE  VERSION  ARCH    AGE  SOURCE        STATUS  USED BY\n"
        "ami-1  1.2.3    x86_64  3d   ami-50000000  good    -\n"
        "ami-3  1.2.3    arm64   3d   ami-50000000  good    -"
    )


def test_the_images_are_a_table() -> None:
    uses = [Usage(kind="group", name=f"g{n}") for n in range(5)]
    older = an_image(ids={"eu-central-1": "ami-00000009"}, version="1.0", status=ImageStatus.GOOD)
    images = [(IMAGE, uses), (an_image(status=ImageStatus.LEFT, source_ami=""), ()), (older, ())]
    assert images_text(images, NOW, keep=1) == (
        "IMAGE         VERSION  AGE  SOURCE        STATUS  USED BY\n"
        "ami-1         1.2.3    3d   ami-50000000  good    "
        "group g0, group g1, group g2, and 2 more\n"
        "-             1.2.3    3d   -             left    -\n"
        "ami-00000009  1.0      3d   ami-50000000  good    -\n"
        "\n"
        "1 unused and older than the newest 1"
    )


def test_a_terminal_has_the_uses_below_the_row() -> None:
    uses = [Usage(kind="group", name="shop-production-r000007")] * 3
    image = replace(IMAGE, source_ami="ami-0123456789abcdef0")
    assert images_text([(image, uses), (IMAGE, ())], NOW, keep=2, width=80) == (
        "IMAGE  VERSION  AGE  SOURCE                 STATUS\n"
        "ami-1  1.2.3    3d   ami-0123456789abcdef0  good\n"
        "    used by: group shop-production-r000007, group shop-production-r000007, group\n"
        "    shop-production-r000007\n"
        "ami-1  1.2.3    3d   ami-50000000           good"
    )
    assert max(map(len, images_text([(image, uses)], NOW, 2, width=60).split("\n"))) <= 60
    assert len(images_text([(image, uses)], NOW, 2).split("\n")) == 2


def test_a_tree_of_images_whose_tags_form_a_cycle_ends() -> None:
    one, two = replace(BASE, source_ami=SHOP.id), replace(SHOP, source_ami=BASE.id)
    report = LineageReport(app=SHOP.app, lineage=Lineage(images=(one, two, SHOP_OLD)))
    assert [tree_text(report, NOW).count(each.id) for each in (two, SHOP_OLD)] == [2, 1]
    assert len(tree_document(report)["images"]) == 3
    assert images_page(SHOP.app, report, (), "", NOW).count(f"{SHOP_OLD.id}</code>") == 1


def test_an_empty_list_of_images_has_a_next_command() -> None:
    assert images_text([], NOW, keep=5) == "no images yet\nnext: ami-pipeline bake"


def test_a_used_image_does_not_count_as_unused() -> None:
    images = [(IMAGE, ()), (IMAGE, [Usage(kind="instance", name="i-1")])]
    assert "older than" not in images_text(images, NOW, keep=1)


def test_the_document_contains_the_images_and_their_uses() -> None:
    document = images_document([(IMAGE, [Usage(kind="group", name="g")])])
    assert document["images"][0]["used_by"] == [{"kind": "group", "name": "g"}]
    assert json.loads(as_json(document)) == document


USES = {
    "ami-30": [Usage(kind="group", name="shop-production-r000007")],
    "ami-20": [Usage(kind="instance", name="i-1")],
}
SOURCES = {"ami-5": ComparedImage(id="ami-5", name="al2023-6.1", created="2025-12-25T00:00:00Z")}
REPORT = LineageReport(app="shop", lineage=Lineage(images=LINES), uses=USES, sources=SOURCES)
TREE = """\
IMAGE           APP   VERSION  AGE  STATUS                       USED BY                        NAME
ami-5           -     -        10d  -                            -                              \
al2023-6.1
└── ami-10      base  1.0      3d   quarantined                  -
    ├── ami-30  shop  2.0      1d   good, on quarantined ami-10  group shop-production-r000007
    └── ami-20  shop  1.0      2d   good, on quarantined ami-10  instance i-1"""
NARROW_TREE = """\
IMAGE           APP   VERSION  AGE  STATUS
ami-5           -     -        10d  -
│       name: al2023-6.1
└── ami-10      base  1.0      3d   quarantined
    ├── ami-30  shop  2.0      1d   good, on quarantined ami-10
    │       used by: group shop-production-r000007
    └── ami-20  shop  1.0      2d   good, on quarantined ami-10
            used by: instance i-1"""


def test_the_tree_marks_what_is_built_on_a_quarantined_image() -> None:
    assert tree_text(REPORT, NOW) == TREE
    assert tree_text(REPORT, NOW, 80) == NARROW_TREE
    assert WEB.id not in TREE


def test_a_tree_without_images_has_a_next_command() -> None:
    empty = LineageReport(app="shop", lineage=Lineage())
    assert tree_text(empty, NOW) == "no images yet\nnext: ami-pipeline bake"


def test_an_unknown_source_is_shown_by_its_id() -> None:
    lines = tree_text(replace(REPORT, sources={}), NOW).splitlines()
    assert lines[1].split() == ["ami-5", "-", "-", "?", "-", "-", "unknown", "source"]


def test_a_program_reads_the_base_of_each_image() -> None:
    document = tree_document(REPORT)
    bases = {
        each["ami_id"]: (each["base"], each["quarantined_base"]) for each in document["images"]
    }
    assert bases == {
        "ami-10": (None, None),
        "ami-20": ("ami-10", "ami-10"),
        "ami-30": ("ami-10", "ami-10"),
    }
    assert document["sources"][0]["name"] == "al2023-6.1"
    assert json.loads(as_json(document)) == document


def test_the_list_marks_an_image_on_a_quarantined_one() -> None:
    text = images_text([(SHOP, ())], NOW, 1, Lineage(images=LINES))
    assert "good, on quarantined ami-10" in text


ONE = """\
image      ami-10
name       base-1.0
version    1.0
app        base
created    2026-01-01T00:00:00Z
status     quarantined
reason     r000002 was rolled back from in staging
source     ami-5 (al2023-6.1, 2025-12-25)
packages   1

USED BY   NAME                     IMAGE   VERSION
group     shop-production-r000007  ami-30  2.0
instance  i-1                      ami-20  1.0"""


def one(image: Image, contents: ImageContents) -> ImageReport:
    return ImageReport(image=image, contents=contents, lineage=Lineage(images=LINES), uses=USES)


def test_one_image_is_shown_with_what_runs_it_or_an_image_that_is_built_on_it() -> None:
    contents = ImageContents(source=SOURCES["ami-5"], packages=(Package(name="a", version="1"),))
    base = replace(BASE, reason="r000002 was rolled back from in staging")
    assert image_text(one(base, contents)) == ONE
    document = image_report_document(one(base, contents))
    assert document["packages"] == [{"name": "a", "version": "1", "arch": ""}]
    assert [each["ami_id"] for each in document["descendants"]] == ["ami-30", "ami-20"]


def test_an_image_that_nothing_runs_says_so() -> None:
    unknown = ImageContents(unknown="the bake recorded none")
    text = image_text(one(SHOP_OLD, unknown))
    assert "packages   unknown: the bake recorded none" in text
    nothing = replace(one(BASE, unknown), uses={})
    assert image_text(nothing).endswith("nothing runs this image, nor one of the 2 built on it")


def test_a_source_image_of_others_is_asked_about_by_its_id() -> None:
    foreign = Image(
        app="shop", version="", name="", region="eu-central-1", ids={"eu-central-1": "ami-5"}
    )
    report = replace(one(foreign, ImageContents()), seen=SOURCES["ami-5"])
    text, document = image_text(report), image_report_document(report)
    assert text.startswith(
        "image      ami-5\nname       al2023-6.1\napp        not baked by ami-pipeline\n"
        "created    2025-12-25T00:00:00Z\n\nUSED BY"
    )
    assert "app        not baked by ami-pipeline; EC2 shows no such image in eu-central-1" in (
        image_text(one(foreign, ImageContents()))
    )
    assert (document["name"], document["created"]) == ("al2023-6.1", "2025-12-25T00:00:00Z")
    assert "shop-production-r000007" in text
