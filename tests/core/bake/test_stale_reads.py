"""A bake whose reads of AWS are some seconds old: what it does not see yet is not gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from pipeline.core.bake.model import BakeOrigin, BuildResources, Ending, ObservedImage, Removal
from pipeline.core.errors import FailedError, InterruptedRunError
from pipeline.core.freshness import SETTLED
from pipeline.core.image import FINGERPRINT_TAG, STATUS_TAG, ImageStatus
from tests.fakes import (
    FINGERPRINT,
    HOME,
    RESOURCES,
    FakeImages,
    FakeLeftovers,
    FakeSeconds,
    World,
    a_report,
    a_request,
    a_seen,
    an_image,
)

GOOD = {FINGERPRINT_TAG: FINGERPRINT, STATUS_TAG: "good"}


@dataclass
class LateImages(FakeImages):
    """Images that are listed from a time on, and tags that are visible from another one."""

    clock: FakeSeconds = field(default_factory=FakeSeconds)
    listed: float = 0.0
    tagged: float = 0.0

    def _in(self, region: str) -> list[ObservedImage]:
        seen = super()._in(region) if self.clock.time >= self.listed else []
        return [each if self.clock.time >= self.tagged else replace(each, tags={}) for each in seen]

    def find(self, region: str, image_id: str) -> ObservedImage | None:
        return next((each for each in self._in(region) if each.id == image_id), None)


@dataclass
class LateLeftovers(FakeLeftovers):
    """A key pair that AWS describes from a time on."""

    clock: FakeSeconds = field(default_factory=FakeSeconds)
    listed: float = 0.0

    def remove(self, region: str, resources: BuildResources, bake: str, since: str) -> Removal:
        super().remove(region, resources, bake, since)
        visible = self.clock.time >= self.listed
        return Removal(gone=("i-1", "packer_key", "sg-1") if visible else ())


@pytest.fixture
def world() -> World:
    clock = FakeSeconds()
    return World(images=LateImages(clock=clock), clock=clock)


MAKING = replace(RESOURCES, names=("own",))


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param(MAKING, id="the AMI was announced and its id is not known"),
        pytest.param(
            replace(MAKING, images=("ami-gone",), regions=(HOME,)), id="it was being encrypted"
        ),
    ],
)
def test_an_image_that_packer_was_making_when_it_was_told_to_stop_is_searched_again(
    world: World, resources: BuildResources
) -> None:
    images = late(world, listed=SETTLED - 0.1)
    images.copied = {"ami-gone": ("ami-1",)}
    world.baker.report = a_report(ending=Ending.INTERRUPTED, code=1, images={}, resources=resources)
    world.baker.makes = (a_seen(name="own", state="pending"),)
    with pytest.raises(InterruptedRunError) as raised:
        world.bakery.bake(a_request())
    assert "removed: ami-1" in raised.value.what
    assert images.there == {}


def late(world: World, **since: float) -> LateImages:
    images = world.images
    assert isinstance(images, LateImages)
    for name, moment in since.items():
        setattr(images, name, moment)
    return images


@pytest.mark.parametrize("seconds", [0.0, 1.0, 10.0, SETTLED - 0.1])
def test_an_image_that_is_listed_late_is_good(world: World, seconds: float) -> None:
    images = late(world, listed=seconds)
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id) == (BakeOrigin.BAKED, "ami-1")
    assert images.removed == []


def test_an_image_that_is_never_listed_fails_the_bake_after_several_reads(world: World) -> None:
    late(world, listed=1e9)
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request())
    assert f"AWS lists no image ami-1 of this account in {HOME}" in raised.value.what
    assert world.clock.time >= SETTLED


def test_an_image_that_is_still_shown_as_pending_is_good(world: World) -> None:
    world.baker.makes = (a_seen(state="pending"),)
    sleep = world.clock.sleep

    def available(seconds: float) -> None:
        sleep(seconds)
        world.images.there[HOME, "ami-1"] = a_seen()

    world.clock.sleep = available  # type: ignore[method-assign]
    assert world.bakery.bake(a_request()).image.id == "ami-1"
    assert world.images.removed == []


def test_the_image_of_a_killed_bake_that_is_listed_late_is_adopted(world: World) -> None:
    images = late(world, listed=10.0)
    images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier")
    world.records.earlier = [(an_image(ids={HOME: "ami-7"}), BuildResources())]
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id) == (BakeOrigin.ADOPTED, "ami-7")


def test_what_a_killed_packer_left_is_searched_for_until_it_must_be_visible(world: World) -> None:
    world.leftovers = LateLeftovers(clock=world.clock, listed=10.0)
    world.records.earlier = [(an_image(fingerprint="other"), RESOURCES)]
    world.bakery.bake(a_request())
    assert 10.0 <= world.clock.time <= 2 * SETTLED + 1


def test_a_failed_bake_whose_packer_cleaned_up_is_not_delayed(world: World) -> None:
    world.baker.report = a_report(code=1, images={}, resources=RESOURCES)
    world.baker.makes = ()
    with pytest.raises(FailedError):
        world.bakery.bake(a_request())
    assert world.clock.time == 0.0


def recorded(world: World, status: ImageStatus, **changes: Mapping[str, str]) -> None:
    image = an_image(ids={HOME: "ami-5"}, status=status, **changes)
    world.records.written[image.bake] = image


def test_an_image_whose_tags_are_not_visible_yet_is_reused(world: World) -> None:
    images = late(world, tagged=1e9)
    images.there[HOME, "ami-5"] = a_seen("ami-5", tags=GOOD)
    recorded(world, ImageStatus.GOOD)
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id) == (BakeOrigin.UNCHANGED, "ami-5")
    assert world.baker.builds == []


@pytest.mark.parametrize(
    ("status", "tag"), [(ImageStatus.QUARANTINED, "good"), (ImageStatus.GOOD, "bad")]
)
def test_an_image_that_its_record_or_its_tag_rejects_is_not_reused(
    world: World, status: ImageStatus, tag: str
) -> None:
    world.images.there[HOME, "ami-5"] = a_seen("ami-5", tags={**GOOD, STATUS_TAG: tag})
    recorded(world, status)
    assert world.bakery.bake(a_request()).origin is BakeOrigin.BAKED
