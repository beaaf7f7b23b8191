"""Kill a bake at each step and check how the next bake cleans up or adopts its image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.model import BakeOrigin
from pipeline.core.image import FINGERPRINT_TAG, STATUS_TAG, ImageStatus
from tests.fakes import FINGERPRINT, HOME, NAME, RESOURCES, World, a_request, a_seen, an_image

GOOD = {FINGERPRINT_TAG: FINGERPRINT, STATUS_TAG: "good"}


@pytest.fixture
def world() -> World:
    return World()


class KilledError(BaseException):
    """An error that no handler catches, like SIGKILL."""


def _before_packer(world: World, dies: Any) -> None:
    world.baker.build = dies  # type: ignore[method-assign]


def _while_the_instance_runs(world: World, dies: Any) -> None:
    def build(*_: Any, on_resources: Any, **__: Any) -> Any:
        on_resources(RESOURCES)
        dies()

    world.baker.build = build  # type: ignore[method-assign]


def _while_the_image_is_pending(world: World, dies: Any) -> None:
    def build(*_: Any, on_resources: Any, **__: Any) -> Any:
        on_resources(replace(RESOURCES, images=("ami-9",)))
        world.images.there[HOME, "ami-9"] = a_seen("ami-9", state="pending")
        dies()

    world.baker.build = build  # type: ignore[method-assign]


def _before_the_last_tags(world: World, dies: Any) -> None:
    world.images.tag = dies  # type: ignore[method-assign]


def _before_the_record(world: World, dies: Any) -> None:
    write = world.records.write

    def written(image: Any, resources: Any = None) -> None:
        if image.status is ImageStatus.GOOD:
            dies()
        write(image, resources)

    world.records.write = written  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("moment", "origin", "removed"),
    [
        (_before_packer, BakeOrigin.BAKED, []),
        (_while_the_instance_runs, BakeOrigin.BAKED, []),
        (_while_the_image_is_pending, BakeOrigin.BAKED, ["ami-9"]),
        (_before_the_last_tags, BakeOrigin.ADOPTED, []),
        (_before_the_record, BakeOrigin.UNCHANGED, []),
    ],
)
@pytest.mark.parametrize(
    "own_name", [False, True], ids=["named by the program", "named by the template"]
)
def test_the_next_bake_cleans_up_after_a_killed_one_or_adopts_its_image(
    world: World, moment: Any, origin: BakeOrigin, removed: list[str], *, own_name: bool
) -> None:
    if own_name:
        declared = world.baker.template.variables - {"ami_name"}
        world.baker.template = replace(world.baker.template, variables=declared)
    kept = dict(vars(world.baker)), dict(vars(world.images)), dict(vars(world.records))
    moment(world, _killed)
    with pytest.raises(KilledError):
        world.bakery.bake(a_request())
    for each, fields in zip((world.baker, world.images, world.records), kept, strict=True):
        vars(each).clear()
        vars(each).update(fields)
    world.records.killed()
    begun = world.records.earlier[0][1]
    result = world.bakery.bake(a_request())
    assert result.origin is origin
    assert (HOME, begun, NAME) in world.leftovers.asked
    assert world.images.removed == removed
    assert [image.tags.get(STATUS_TAG) for image in world.images.there.values()] == ["good"]


def _killed(*_: Any, **__: Any) -> None:
    raise KilledError


def test_the_leftovers_of_a_killed_bake_are_removed_if_nothing_changed(world: World) -> None:
    world.images.there[HOME, "ami-5"] = a_seen("ami-5", tags=GOOD)
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", state="pending")
    world.records.earlier = [(an_image(), RESOURCES)]
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id) == (BakeOrigin.UNCHANGED, "ami-5")
    assert world.images.removed == ["ami-7"]
    assert set(world.leftovers.asked) == {(HOME, RESOURCES, "web-earlier")}
    assert world.records.statuses["web-earlier"] == ["gone"]


def test_a_failed_cleanup_is_reported_and_stays_recorded_if_nothing_changed(world: World) -> None:
    world.images.there[HOME, "ami-5"] = a_seen("ami-5", tags=GOOD)
    world.records.earlier = [(an_image(), RESOURCES)]
    world.leftovers.resists = True
    assert world.bakery.bake(a_request()).origin is BakeOrigin.UNCHANGED
    assert "DependencyViolation" in world.notes[-1]
    assert "web-earlier" not in world.records.statuses
