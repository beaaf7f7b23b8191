from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport, CleanupScope, clean_up
from pipeline.core.bake.model import BuildResources
from pipeline.core.image import BAKE_TAG, STATUS_TAG
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
    regions = changes.pop("regions", (HOME,))
    scope = CleanupScope(
        **{"bake": NAME, "resources": RESOURCES, "known": (), "since": NOW, **changes}
    )
    return clean_up(images, leftovers or FakeLeftovers(), scope, FakeSeconds(), regions=regions)


def holding(*observed: Any) -> FakeImages:
    return FakeImages(there={(image.region, image.id): image for image in observed})


def test_an_image_found_by_name_and_by_id_is_removed_once() -> None:
    images = holding(a_seen())
    assert cleaned(images, known=((HOME, "ami-1"),)).removed == ["ami-1"]
    assert images.there == {}


def test_without_a_name_only_the_known_ids_of_each_region_are_removed() -> None:
    images = holding(
        a_seen("ami-1", name="a"), a_seen("ami-2", name="b"), a_seen("ami-3", name="a", region=AWAY)
    )
    known = ((HOME, "ami-1"), (AWAY, "ami-3"), (AWAY, "ami-gone"))
    assert cleaned(images, regions=(HOME, AWAY), known=known).removed == ["ami-1", "ami-3"]
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
@pytest.mark.parametrize("ended", [{HOME: "ami-1"}, {}])
def test_an_image_that_was_verified_once_is_never_removed(
    ended: dict[str, str], status: str
) -> None:
    images = holding(a_seen(tags={STATUS_TAG: status}))
    regions = (HOME, AWAY)  # AWAY was configured later: it has no copy of the image
    assert cleaned(images, regions=regions, ended=ended).removed == []
    assert len(images.there) == 1


def test_the_images_of_a_bake_that_ended_are_kept_and_all_others_removed() -> None:
    images = holding(a_seen("ami-1", name="own"), a_seen("ami-2"), a_seen("ami-3", region=AWAY))
    ended = {HOME: "ami-1", AWAY: "ami-3"}
    result = cleaned(images, regions=(HOME, AWAY), ended=ended)
    assert (list(result.kept), result.removed) == ([HOME, AWAY], ["ami-2"])


def test_of_a_bake_that_ended_all_images_are_kept_or_none() -> None:
    images = holding(a_seen("ami-1"))
    ended = {HOME: "ami-1", AWAY: "ami-gone"}
    result = cleaned(images, regions=(HOME, AWAY), ended=ended)
    assert (result.kept, result.removed) == ({}, ["ami-1"])


@pytest.mark.parametrize(
    "there",
    [
        pytest.param((a_seen(state="pending"),), id="not available"),
        pytest.param((a_seen(public=True),), id="public"),
    ],
)
def test_an_unfinished_image_is_removed_although_the_bake_ended(
    there: Any,
) -> None:
    images = holding(*there)
    assert not cleaned(images, ended={HOME: "ami-1"}).kept
    assert images.there == {}


MADE = replace(RESOURCES, images=("ami-1",), names=("web-fixed",), regions=(AWAY,))
"""What Packer named when it had made an AMI and was copying it."""


@pytest.mark.parametrize(
    ("shown", "removed"),
    [
        pytest.param({"instance": "i-1"}, True, id="made from the bake's instance"),
        pytest.param({"source": "ami-1"}, True, id="a copy of the bake's image"),
        pytest.param({}, True, id="registered from a snapshot"),
        pytest.param({"tags": {BAKE_TAG: NAME}, "instance": "i-1"}, True, id="tagged"),
        pytest.param({"instance": "i-2"}, False, id="made from another instance"),
        pytest.param({"source": "ami-2"}, False, id="a copy of another image"),
        pytest.param({"tags": {BAKE_TAG: "web-2"}}, False, id="tagged by another bake"),
        pytest.param({"created": "2025-12-31T23:54:59.000Z"}, False, id="older than the bake"),
    ],
)
def test_an_image_of_the_name_that_packer_printed_is_removed_unless_it_is_anothers(
    shown: Any, removed: bool
) -> None:
    images = holding(a_seen("ami-7", name="web-fixed", **shown))
    assert cleaned(images, resources=MADE).removed == (["ami-7"] if removed else [])


def test_a_copy_is_found_after_packer_has_deregistered_what_it_copied() -> None:
    """As it does with the unencrypted AMI of `encrypt_boot` at the end of a cancelled build."""
    images = holding(a_seen("ami-2", name="own", state="pending", region=AWAY))
    images.copied = {"ami-1": ("ami-2",)}
    assert cleaned(images, regions=(HOME, AWAY), resources=MADE).removed == ["ami-2"]


def test_an_image_that_packer_named_is_found_in_whatever_region_it_is() -> None:
    images = holding(a_seen("ami-1", name="own", region=AWAY))
    assert cleaned(images, regions=(HOME, AWAY), resources=MADE).removed == ["ami-1"]


def test_temporary_resources_are_removed_in_every_region() -> None:
    leftovers = FakeLeftovers(removes=("i-1",))
    result = cleaned(FakeImages(), leftovers, regions=(HOME, AWAY))
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
        f"asking for {HOME}: UnauthorizedOperation",
    ]
