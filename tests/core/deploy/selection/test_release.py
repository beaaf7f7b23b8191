"""Which release or image a rollback leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core.deploy.selection.release import (
    RollbackTarget,
    first_size,
    minimum_after,
    new_release,
    newest_good,
    size_beside,
    skipped,
    target_of,
    why_quick,
)
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.environment import Environment, RetiredRelease
from pipeline.core.state.release import Size
from pipeline.core.state.strategy import Step
from tests.core.deploy.fakes import cloud, kept
from tests.fakes import HOME, an_image

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVING = kept(1).release


def document(*past: RetiredRelease) -> Environment:
    return replace(cloud().document, retired=past)


def test_a_rollback_to_a_release_without_a_group_uses_its_image() -> None:
    target = target_of(document(RetiredRelease(release="r000000", ami_id="ami-0")), "r000000", NOW)
    assert (target.release, target.ami_id, target.warm) == ("r000000", "ami-0", False)


def test_a_rollback_to_an_earlier_release_of_the_serving_image_is_the_serving_release() -> None:
    """A new release of the serving image would quarantine that image."""
    past = RetiredRelease(release="r000000", ami_id=SERVING.ami_id)
    assert target_of(document(past), "r000000", NOW).release == SERVING.name


def test_a_rollback_to_other_inputs_of_the_serving_image_makes_a_release_with_them() -> None:
    past = RetiredRelease(release="r000000", ami_id=SERVING.ami_id, inputs={"min_size": 1})
    here = document(past)
    serving = replace(here.releases[SERVING.name], inputs={"min_size": 2})
    here = here.with_release(serving)
    for to in ("r000000", ""):
        target = target_of(here, to, NOW)
        assert (target.release, target.warm) == ("r000000", False)
        assert target.inputs == {"min_size": 1}


def test_a_rollback_to_an_image_uses_the_configured_inputs() -> None:
    past = RetiredRelease(release="r000000", ami_id="ami-0", inputs={"min_size": 1})
    assert target_of(document(past), "ami-0", NOW).inputs is None


def test_a_changed_size_counts_but_never_makes_the_group_smaller_than_it_is() -> None:
    blue = ObservedGroup(
        name="web-staging-r000001", minimum=2, maximum=8, desired=5, template="lt-1", version="1"
    )
    size = Size(instance_type="t3.micro", minimum=1, maximum=6, desired=3)

    def sizes(*changed: str) -> tuple[int, int, int]:
        found = size_beside(size, blue, frozenset(changed))
        return minimum_after(size, blue, frozenset(changed)), found.maximum, found.desired

    assert sizes() == (2, 8, 5)
    assert sizes("min_size", "max_size", "desired_capacity") == (1, 6, 5)
    more = replace(size, maximum=12, desired=7)
    assert size_beside(more, blue, {"desired_capacity"}).desired == 7
    assert size_beside(more, blue).desired == 5


@pytest.mark.parametrize(
    ("step", "desired"),
    [
        (Step(seconds=1, weight=5), 7),
        (Step(seconds=1, members=1), 1),
        (Step(seconds=1, members=9), 7),
        (Step(seconds=1, percent=50), 4),
    ],
)
def test_a_canary_by_members_is_launched_with_those_of_its_first_step(
    step: Step, desired: int
) -> None:
    size = Size(instance_type="t3.micro", minimum=7, maximum=9, desired=7)
    blue = ObservedGroup(name="b", minimum=1, maximum=9, desired=7, template="b", version="1")
    found = first_size(size, [step], blue)
    assert (found.minimum, found.maximum, found.desired) == (desired, 9, desired)
    assert first_size(size, [step], None) == size


def test_a_new_release_records_its_inputs_and_the_names_of_its_policies() -> None:
    inputs: dict[str, Any] = {"terraform.inputs.scaling_policies": {"cpu": {}}}
    image = an_image()
    size = Size(instance_type="t3.micro", minimum=1, maximum=1, desired=1)
    made = new_release(
        document(), image, size, minimum=1, deployment="d", root_device="", inputs=inputs
    )
    assert made.inputs == inputs
    assert made.release.as_module_input()["policies"] == ["cpu"]
    assert made.release.as_module_input()["schedules"] == []


def test_a_release_that_never_served_is_refused() -> None:
    with pytest.raises(
        RefusedError, match="r000777 is not among the releases that served recently"
    ):
        target_of(document(), "r000777", NOW)


@pytest.mark.parametrize("to", ["r000000", "ami-0", ""])
def test_a_rollback_to_a_quarantined_image_needs_a_flag(to: str) -> None:
    past = document(RetiredRelease(release="r000000", ami_id="ami-0", quarantined=True))
    with pytest.raises(RefusedError, match="is quarantined, because a release") as refused:
        target_of(past, to, NOW)
    again = f"ami-pipeline rollback -e staging --to {to or 'r000000'} --allow-quarantined"
    assert refused.value.remedy == f"to use it anyway: {again}"
    assert target_of(past, to, NOW, allow_quarantined=True).ami_id == "ami-0"


def test_the_serving_release_may_have_an_image_that_was_rolled_back_from_once() -> None:
    past = document(RetiredRelease(release="r0", ami_id=SERVING.ami_id, quarantined=True))
    assert target_of(past, SERVING.ami_id, NOW).release == SERVING.name


def test_a_deleted_group_is_not_warm() -> None:
    warm = replace(
        cloud(warm=[0]).document, retired=(RetiredRelease(release="r000000", ami_id="ami-0"),)
    )
    assert target_of(warm, "r000000", NOW).warm
    assert not target_of(warm, "r000000", NOW, missing=frozenset({"r000000"})).warm


def test_a_newer_image_that_is_not_chosen_is_named() -> None:
    def image(number: int, status: ImageStatus, environment: str = "") -> Image:
        created = f"2026-01-0{number}T00:00:00Z"
        ids = {HOME: f"ami-{number}"}
        return an_image(ids=ids, created=created, status=status, environment=environment)

    good, bad = ImageStatus.GOOD, ImageStatus.QUARANTINED
    images = [image(1, good), image(2, good), image(3, bad), image(4, ImageStatus.GONE)]
    images += [image(5, bad, environment="production"), replace(image(6, bad), ids={})]
    chosen = newest_good(images, "staging")
    assert chosen.id == "ami-2"
    assert [each.id for each in skipped(images, chosen, "staging")] == ["ami-4", "ami-3"]


@pytest.mark.parametrize(
    ("release", "window", "why"),
    [
        ("r000009", 1, "r000009 is the last release that served: without soak and observe"),
        (
            "r000008",
            3,
            "r000008 is one of the last 3 releases that served: without soak and observe",
        ),
        ("r000008", 1, ""),
        ("r000007", 3, ""),  # quarantined
        ("r000006", 3, ""),  # served before them
        ("r000009", 0, ""),
        ("", 3, ""),  # an image, with the configured inputs
    ],
)
def test_a_rollback_to_a_release_that_served_lately_is_quick(
    release: str, window: int, why: str
) -> None:
    past = [
        RetiredRelease(release=f"r00000{number}", ami_id=f"ami-{number}", inputs={})
        for number in (9, 8, 7, 6)
    ]
    past[2] = replace(past[2], quarantined=True)
    target = RollbackTarget(release=release, ami_id="ami-1", warm=False, inputs={})
    assert why_quick(document(*past), target, window) == why
    assert why_quick(document(*past), replace(target, inputs=None), window) == ""
