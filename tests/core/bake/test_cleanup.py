from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport, CleanupScope, sweep
from pipeline.core.bake.model import BuildResources
from pipeline.core.image import STATUS_TAG
from tests.fakes import AWAY, HOME, NAME, NOW, TRACES, FakeImages, FakeLeftovers, a_seen


def swept(
    images: FakeImages, leftovers: FakeLeftovers | None = None, **changes: Any
) -> CleanupReport:
    asked: dict[str, Any] = {"regions": (HOME,), "keep_finished": False}
    asked |= {key: changes.pop(key) for key in list(changes) if key in asked}
    remains = CleanupScope(
        **{"bake": NAME, "name": NAME, "traces": TRACES, "known": (), "since": NOW, **changes}
    )
    return sweep(images, leftovers or FakeLeftovers(), remains, **asked)


def holding(*seen: Any) -> FakeImages:
    return FakeImages(there={(image.region, image.id): image for image in seen})


def test_an_image_is_found_by_its_name_and_removed_once_though_its_id_is_known_too() -> None:
    images = holding(a_seen())
    assert swept(images, known=((HOME, "ami-1"),)).removed == ["ami-1"]
    assert images.there == {}


def test_without_a_name_only_the_known_ids_of_each_region_go() -> None:
    images = holding(a_seen("ami-1"), a_seen("ami-2"), a_seen("ami-3", region=AWAY))
    known = ((HOME, "ami-1"), (AWAY, "ami-3"), (AWAY, "ami-gone"))
    assert swept(images, regions=(HOME, AWAY), name="", known=known).removed == ["ami-1", "ami-3"]
    assert list(images.there) == [(HOME, "ami-2")]


@pytest.mark.parametrize(
    ("created", "removed"),
    [
        ("2025-12-31T23:54:59.000Z", []),
        ("2025-12-31T23:55:00.000Z", ["ami-1"]),
        ("2026-01-01T00:00:00.000Z", ["ami-1"]),
    ],
)
def test_a_known_id_older_than_the_bake_is_not_the_bakes(created: str, removed: list[str]) -> None:
    images = holding(a_seen(name="other", created=created))
    assert swept(images, known=((HOME, "ami-1"),)).removed == removed


@pytest.mark.parametrize("verdict", ["good", "quarantined"])
@pytest.mark.parametrize("keep_finished", [True, False])
def test_an_image_that_was_verified_once_is_never_removed(
    keep_finished: bool, verdict: str
) -> None:
    images = holding(a_seen(tags={STATUS_TAG: verdict}))
    regions = (HOME, AWAY)  # one that was configured since: the image is not there
    assert swept(images, regions=regions, keep_finished=keep_finished).removed == []
    assert len(images.there) == 1


def test_a_finished_image_is_kept_where_that_is_asked() -> None:
    images = holding(a_seen())
    result = swept(images, keep_finished=True)
    assert (list(result.kept), result.removed) == ([HOME], [])
    assert len(images.there) == 1


@pytest.mark.parametrize(
    "there",
    [
        pytest.param((a_seen(state="pending"),), id="not available"),
        pytest.param((a_seen(public=True),), id="public"),
        pytest.param((a_seen("ami-1"), a_seen("ami-2")), id="two of the name"),
    ],
)
def test_what_is_not_one_finished_image_goes_though_it_might_be_kept(there: Any) -> None:
    images = holding(*there)
    assert not swept(images, keep_finished=True).kept
    assert images.there == {}


def test_the_temporary_things_are_removed_in_every_region_a_build_may_have_run_in() -> None:
    leftovers = FakeLeftovers(removes=("i-1",))
    result = swept(FakeImages(), leftovers, regions=(HOME, AWAY), name="")
    assert leftovers.asked == [(HOME, TRACES, NAME), (AWAY, TRACES, NAME)]
    assert result.removed == ["i-1", "i-1"]


def test_one_region_that_does_not_answer_does_not_save_the_images_of_another() -> None:
    images = holding(a_seen("ami-1"), a_seen("ami-2", region=AWAY))
    images.resists = {HOME}
    result = swept(
        images, FakeLeftovers(resists=True), regions=(HOME, AWAY), traces=BuildResources()
    )
    assert result.removed == ["ami-2"]
    assert result.trouble == [
        "removing what the bake left: DependencyViolation",
        "removing what the bake left: DependencyViolation",
        f"asking for {HOME}: UnauthorizedOperation",
    ]
