"""What is newer than the release that serves."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.image import Image, ImageStatus
from pipeline.core.overview import overview_of
from tests.fakes import SOURCE, an_image
from tests.ui import status_examples


def baked(number: int, **changes: object) -> Image:
    made = an_image(
        ids={"eu-central-1": status_examples.image(number)},
        region="eu-central-1",
        created=f"2026-01-0{number % 10}T00:00:00+00:00",
        version=f"1.{number}.0",
        status=ImageStatus.GOOD,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_newer_good_image_of_the_environment_is_named() -> None:
    status = status_examples.serving()
    serving = status.environment.releases[status.environment.serving].release.ami_id
    image = replace(baked(1), ids={"eu-central-1": serving})
    found = overview_of(status, [baked(3, environment="other"), baked(2), image], SOURCE)
    assert found.image == image
    assert (found.newer, found.source) == (baked(2), "")
    older = overview_of(status, [image, baked(2, status=ImageStatus.BAD)], "ami-60000000")
    assert (older.newer, older.source) == (None, "ami-60000000")


def test_without_a_known_image_nothing_is_newer() -> None:
    found = overview_of(status_examples.serving(), [baked(2)], SOURCE)
    assert (found.image, found.newer, found.source) == (None, None, "")
    nothing = overview_of(status_examples.nothing(), [baked(2)], SOURCE)
    assert (nothing.image, nothing.newer) == (None, None)
