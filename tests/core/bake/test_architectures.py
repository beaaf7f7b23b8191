"""One bake that makes an image of each architecture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.model import BakeOrigin
from pipeline.core.errors import FailedError
from pipeline.core.image import ARCHITECTURES_TAG, STATUS_TAG
from tests.fakes import AWAY, HOME, NAME, World, a_report, a_request, a_seen

BUILDS = {"amazon-ebs.arm": {HOME: "ami-2"}, "amazon-ebs.intel": {HOME: "ami-1"}}
BOTH = "arm64 x86_64"


def report(**changes: Any) -> Any:
    return a_report(**{"expected": tuple(BUILDS), "images": BUILDS, **changes})


@pytest.fixture
def world() -> World:
    found = World()
    found.baker.report = report()
    found.baker.makes = (
        a_seen("ami-1", name=f"{NAME}-intel", architecture="x86_64"),
        a_seen("ami-2", name=f"{NAME}-arm", architecture="arm64"),
    )
    return found


def test_each_image_is_tagged_and_recorded_with_its_architecture(world: World) -> None:
    result = world.bakery.bake(a_request())
    found = [(each.id, each.architecture, each.version, each.bake) for each in result.images]
    assert found == [
        ("ami-1", "x86_64", "1.2.3", f"{NAME}-x86_64"),
        ("ami-2", "arm64", "1.2.3", f"{NAME}-arm64"),
    ]
    assert {each.architectures for each in result.images} == {BOTH}
    for each in result.images:
        tags = world.images.there[HOME, each.id].tags
        assert (tags[STATUS_TAG], tags[ARCHITECTURES_TAG]) == ("good", BOTH)
        assert world.records.written[each.bake] == each
    assert world.records.statuses[NAME] == ["baking", "baking", "baking", "gone"]
    assert world.records.written[NAME].ids == {}


def test_nothing_changed_means_an_image_of_each_architecture(world: World) -> None:
    baked = world.bakery.bake(a_request())
    again = world.bakery.bake(a_request())
    assert again.origin is BakeOrigin.UNCHANGED
    assert [each.id for each in again.images] == [each.id for each in baked.images]
    assert "nothing changed since ami-1 and ami-2 were baked" in world.notes
    del world.images.there[HOME, "ami-2"]
    assert world.bakery.bake(a_request()).origin is BakeOrigin.BAKED


@pytest.mark.parametrize(
    ("changes", "makes", "request_", "problem"),
    [
        (
            {},
            ("x86_64", "x86_64"),
            {},
            "two builds created an x86_64 image in eu-central-1: ami-2 (amazon-ebs.arm) and ami-1",
        ),
        (
            {"images": {**BUILDS, "amazon-ebs.intel": {HOME: "ami-1", AWAY: "ami-3"}}},
            ("x86_64", "arm64"),
            {"regions": (AWAY,)},
            "no arm64 image was created in us-east-1",
        ),
        (
            {"manifest": {HOME: "ami-9"}},
            ("x86_64", "arm64"),
            {},
            "the manifest lists {'eu-central-1': 'ami-9'}",
        ),
    ],
)
def test_an_incomplete_bake_fails_and_removes_every_image(
    world: World,
    changes: dict[str, Any],
    makes: tuple[str, str],
    request_: dict[str, Any],
    problem: str,
) -> None:
    world.baker.report = report(**changes)
    world.baker.makes = (
        *(
            replace(each, architecture=name)
            for each, name in zip(world.baker.makes, makes, strict=True)
        ),
        *([a_seen("ami-3", region=AWAY, architecture="x86_64")] if request_ else []),
    )
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request(**request_))
    assert problem in str(raised.value)
    assert world.images.there == {}
