from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.core.changes.compare import Side, compare, reverse
from pipeline.core.changes.inputs import InputChange
from pipeline.core.changes.model import (
    ComparedImage,
    ExtraHours,
    GroupSize,
    ImageContents,
    Package,
    PackageChanges,
    PackageUpdate,
)
from pipeline.core.changes.summary import summary
from pipeline.core.image import Image
from tests.core.changes.examples import CHANGES


def an_image(number: int, **facts: Any) -> Image:
    image = Image(
        app="web",
        region="eu-central-1",
        ids={"eu-central-1": f"ami-{number}"},
        name=f"web-{number}",
        version=f"1.{number}",
        commit=str(number) * 40,
        source_ami=f"ami-source{number}",
    )
    return replace(image, **facts)


def a_side(number: int, *packages: Package) -> Side:
    size = GroupSize(instance_type="t3.small", minimum=1, maximum=4, desired=number)
    source = ComparedImage(id=f"ami-source{number}", created=f"2026-01-0{number}")
    return Side(
        image=an_image(number),
        contents=ImageContents(source=source, packages=packages),
        inputs={"instance_type": f"t{number}.small"},
        size=size,
        is_release=True,
    )


OLD = a_side(1, Package(name="curl", version="8.1"))
NEW = a_side(2, Package(name="curl", version="8.2"))


def test_two_releases_are_compared_in_each_part() -> None:
    changes = compare(OLD, NEW)
    assert changes.image.before == ComparedImage(id="ami-1", name="web-1", version="1.1")
    assert (changes.image.differs, changes.source.differs) == (True, True)
    assert (changes.commits.before, changes.commits.after) == ("1" * 40, "2" * 40)
    update = PackageUpdate(name="curl", before="8.1", after="8.2")
    assert changes.packages == PackageChanges(upgraded=(update,))
    changed = InputChange(name="instance_type", before="t1.small", after="t2.small")
    assert changes.inputs.changed == (changed,)
    assert (changes.size.before, changes.size.after) == (OLD.size, NEW.size)


def test_each_part_says_why_it_is_unknown() -> None:
    adopted = replace(OLD, image=Image(app="web", version="", name="", region="r", ids={}))
    unknown = replace(adopted, contents=ImageContents(), inputs=None)
    changes = compare(unknown, replace(NEW, image=an_image(2, commit="")))
    assert changes.source.unknown == "the source image of an adopted release is not recorded"
    assert changes.commits.unknown == ("the commit of an adopted release and ami-2 is not recorded")
    assert changes.packages.unknown == "those of an adopted release: no list was downloaded"
    assert changes.inputs.unknown == "those of an adopted or old release are not recorded"
    assert compare(replace(OLD, size=None), NEW).size.unknown == (
        "that of one of the groups is not recorded"
    )


def test_the_first_release_is_compared_with_nothing() -> None:
    changes = compare(None, NEW)
    assert (changes.image.before, changes.size.before) == (None, None)
    unknown = {changes.commits.unknown, changes.packages.unknown, changes.inputs.unknown}
    assert unknown == {""}
    assert not summary(changes)


def test_images_have_no_inputs() -> None:
    old, new = (replace(each, inputs=None, is_release=False) for each in (OLD, NEW))
    assert not compare(old, new).inputs.unknown


def test_going_back_brings_the_opposite() -> None:
    there, back = compare(OLD, NEW), compare(NEW, OLD)
    assert reverse(there) == back
    assert back.packages.downgraded
    commits = replace(CHANGES.commits, dirty=True)
    gone = reverse(replace(CHANGES, commits=commits))
    assert (gone.commits.removed, gone.commits.dirty) == (commits.added, False)
    assert (gone.packages.added, gone.packages.removed) == (
        CHANGES.packages.removed,
        CHANGES.packages.added,
    )
    assert gone.extra == ExtraHours()
