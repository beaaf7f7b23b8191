"""The image or the release that a version names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.deploy.selection.versions import (
    beside,
    choose_images,
    image_named,
    is_version,
    release_named,
)
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.environment import Environment, RetiredRelease
from tests.core.deploy.fakes import cloud, kept
from tests.fakes import HOME, an_image


def image(number: int, version: str = "1.4.2", **changes: Any) -> Image:
    made = an_image(ids={HOME: f"ami-{number}"}, created=f"2026-01-0{number}", version=version)
    return replace(made, **{"status": ImageStatus.GOOD, **changes})


def test_an_id_is_no_version() -> None:
    names = {"ami-12345678": False, "r000123": False, "1.4.2": True, "r12": True, "": False}
    assert {name: is_version(name) for name in names} == names


def test_a_version_with_one_image_names_it_without_a_note() -> None:
    named = image_named([image(1), image(2, "1.5.0")], "1.4.2", "staging")
    assert (named.id, named.note) == ("ami-1", "")


def test_a_version_with_several_images_names_the_newest_good_one_and_says_so() -> None:
    bad = image(3, status=ImageStatus.QUARANTINED)
    named = image_named([image(1), image(2), bad], "1.4.2", "staging")
    assert named.id == "ami-2"
    assert named.note == (
        "version 1.4.2 is that of ami-2, ami-1, ami-3: choosing ami-2, the newest good one"
    )
    alone = image_named([bad, replace(bad, ids={HOME: "ami-4"})], "1.4.2", "staging")
    assert alone.note.endswith("the newest one, which is quarantined")


def test_a_version_of_another_environment_or_of_a_removed_image_is_unknown() -> None:
    images = [
        image(1, environment="production"),
        image(2, status=ImageStatus.GONE),
        image(3, "1.4.1"),
    ]
    with pytest.raises(RefusedError, match=r"no image has this version; the nearest is 1\.4\.1"):
        image_named(images, "1.4.2", "staging")


def document(**versions: str) -> Environment:
    """Return a document with these earlier releases; r000001 serves version 3."""
    serving = replace(kept(1), version="3")
    past = (RetiredRelease(release=name, ami_id=name, version=versions[name]) for name in versions)
    return replace(cloud().document.with_release(serving), retired=tuple(past))


def test_a_version_names_the_newest_earlier_release_of_it() -> None:
    named = release_named(document(a="2", b="2", c="1"), "2")
    assert named
    assert (named.id, "choosing b" in named.note) == ("b", True)
    assert release_named(document(a="2"), "4") is None


def test_a_quarantined_release_and_the_serving_one_are_chosen_last() -> None:
    here = document(a="2", b="2")
    first, second = here.retired
    here = replace(here, retired=(first, replace(second, quarantined=True)))
    named = release_named(here, "2")
    assert named
    assert named.id == "a"
    others = release_named(document(a="3"), "3")
    assert others
    assert others.id == "a"
    serving = release_named(document(), "3")
    assert serving
    assert (serving.id, serving.note) == ("r000001", "")


ARM = {"architecture": "arm64", "architectures": "arm64 x86_64"}
INTEL = {**ARM, "architecture": "x86_64"}


@pytest.mark.parametrize(
    ("supported", "version", "expected"),
    [
        ({"arm64"}, "1.4.2", ["ami-2"]),
        ({"i386", "x86_64"}, "1.4.2", ["ami-1", "ami-3"]),
        ({"arm64"}, "1.5.0", ["ami-1", "ami-2", "ami-3"]),
        ({"arm64"}, "", ["ami-2"]),
        (set(), "", ["ami-1", "ami-2", "ami-3"]),
    ],
)
def test_an_environment_chooses_among_the_images_that_its_instance_type_runs(
    supported: set[str], version: str, expected: list[str]
) -> None:
    images = [image(1, **INTEL), image(2, **ARM), image(3, "1.5.0", **INTEL)]
    assert [each.id for each in choose_images(images, supported, version)] == expected


def test_an_image_of_unknown_architecture_is_one_that_may_run() -> None:
    assert choose_images([image(1)], {"arm64"}) == (image(1),)


def test_the_image_of_the_same_bake_takes_the_place_of_one_that_does_not_run() -> None:
    intel, arm = image(1, **INTEL), image(2, **ARM)
    other = image(3, fingerprint="another", **ARM)
    images = [intel, arm, other]
    assert beside(images, intel, {"arm64"}) == arm
    assert beside(images, intel, {"x86_64"}) == intel
    assert beside([intel, other], intel, {"arm64"}) == intel
    quarantined = replace(arm, status=ImageStatus.QUARANTINED)
    assert beside([intel, quarantined], intel, {"arm64"}) == intel
