from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport, CleanupScope, clean_up
from pipeline.core.bake.model import BuildResources
from pipeline.core.image import STATUS_TAG
from tests.fakes import (
    AWAY,
    HOME,
    NAME,
    NOW,
    RESOURCES,
    FakeImages,
    FakeLeftovers,
    FakeSeconds,
    a_seen,
)


def cleaned(
    images: FakeImages, leftovers: FakeLeftovers | None = None, **changes: Any
) -> CleanupReport:
    options: dict[str, Any] = {"regions": (HOME,), "keep_finished": False}
    options |= {key: changes.pop(key) for key in list(changes) if key in options}
    scope = CleanupScope(
        **{"bake": NAME, "name": NAME, "resources": RESOURCES, "known": (), "since": NOW, **changes}
    )
    return clean_up(images, leftovers or FakeLeftovers(), scope, FakeSeconds(), **options)


def holding(*observed: Any) -> FakeImages:
    return FakeImages(there={(image.region, image.id): image for image in observed})


def test_an_image_found_by_name_and_by_id_is_removed_once() -> None:
    images = holding(a_seen())
    assert cleaned(images, known=((HOME, "ami-1"),)).removed == ["ami-1"]
    assert images.there == {}


def test_without_a_name_only_the_known_ids_of_each_region_are_removed() -> None:
    images = holding(a_seen("ami-1"), a_seen("ami-2"), a_seen("ami-3", region=AWAY))
    known = ((HOME, "ami-1"), (AWAY, "ami-3"), (AWAY, "ami-gone"))
    assert cleaned(images, regions=(HOME, AWAY), name="", known=known).removed == ["ami-1", "ami-3"]
    assert list(images.there) == [(HOME, "ami-2")]


@pytest.mark.parametrize(
    ("created", "removed"),
    [
        ("2025-12-31T23:54:59.000Z", []),
        ("2025-12-31T23:55:00.000Z", ["ami-1"]),
        ("2026-01-01T00:00:00.000Z", ["ami-1"]),
    ],
)
def test_a_known_image_older_than_the_bake_is_kept(created: str, removed: list[str]) -> None:
    images = holding(a_seen(name="other", created=created))
    assert cleaned(images, known=((HOME, "ami-1"),)).removed == removed


@pytest.mark.parametrize("status", ["good", "quarantined"])
@pytest.mark.parametrize("keep_finished", [True, False])
def test_an_image_that_was_verified_once_is_never_removed(keep_finished: bool, status: str) -> None:
    images = holding(a_seen(tags={STATUS_TAG: status}))
    regions = (HOME, AWAY)  # AWAY was configured later: it has no copy of the image
    assert cleaned(images, regions=regions, keep_finished=keep_finished).removed == []
    assert len(images.there) == 1


def test_a_finished_image_is_kept_on_request() -> None:
    images = holding(a_seen())
    result = cleaned(images, keep_finished=True)
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
def test_an_unfinished_or_ambiguous_image_is_removed_in_spite_of_the_request_to_keep_it(
    there: Any,
) -> None:
    images = holding(*there)
    assert not cleaned(images, keep_finished=True).kept
    assert images.there == {}


def test_temporary_resources_are_removed_in_every_region() -> None:
    leftovers = FakeLeftovers(removes=("i-1",))
    result = cleaned(FakeImages(), leftovers, regions=(HOME, AWAY), name="")
    assert leftovers.asked == [(HOME, RESOURCES, NAME), (AWAY, RESOURCES, NAME)]
    assert result.removed == ["i-1", "i-1"]


def test_an_error_in_one_region_does_not_stop_the_cleanup_of_another() -> None:
    images = holding(a_seen("ami-1"), a_seen("ami-2", region=AWAY))
    images.resists = {HOME}
    result = cleaned(
        images, FakeLeftovers(resists=True), regions=(HOME, AWAY), resources=BuildResources()
    )
    assert result.removed == ["ami-2"]
    assert result.trouble == [
        "removing what the bake left: DependencyViolation",
        "removing what the bake left: DependencyViolation",
        f"asking for {HOME}: UnauthorizedOperation",
    ]
