"""The points of hooks: in which phase each of them is, in every table of phases."""

from __future__ import annotations

import pytest

from pipeline.core.deploy.phase import Fleet, Manner, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import after_drain, decision, rollback, takeover
from pipeline.core.hooks.hook import NEVER_DECIDES, Point
from pipeline.core.hooks.points import points_of

BLUE, GREEN = "r000001", "r000002"
BOTH = Fleet(serving=frozenset({BLUE, GREEN}))
PROMOTION = promotion(BLUE, GREEN)
WORKERS = Manner(worker=True)
ONE_BY_ONE = Manner(worker=True, overlap=False)
BACK = rollback(BLUE, GREEN, BOTH)
START = "[before-launch] launch [after-launch] [before-traffic] verify"
FORWARD = {each for each in Point if each not in NEVER_DECIDES}


def bound(names: list[str]) -> str:
    """Return the points and the phases in order; a point is before its phase."""
    points = [[f"[{each}]" for each in entry] for entry in points_of(names)]
    words = [[*entry, name] for entry, name in zip(points, [*names, ""], strict=True)]
    return " ".join(word for some in words for word in some).strip()


def names(phases: list[Phase]) -> list[str]:
    return [phase.name for phase in phases]


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (
            names(PROMOTION),
            (
                f"{START} attach [after-traffic] "
                "soak drain [after-drain] observe [before-retire] retire"
            ),
        ),
        (
            names(promotion("", GREEN)),
            (f"{START} attach [after-traffic] soak [before-retire] retire"),
        ),
        (
            names(promotion(BLUE, GREEN, how=ONE_BY_ONE)),
            (
                "drain [after-drain] [before-launch] launch [after-launch] [before-traffic] verify "
                "[after-traffic] observe [before-retire] retire"
            ),
        ),
        (
            ["launch", "attach", "verify", "step-1", "step-2", "shift", "drain", "observe"],
            (
                "[before-launch] launch [after-launch] attach [before-traffic] verify step-1 "
                "step-2 shift [after-traffic] drain [after-drain] observe"
            ),
        ),
        (
            ["launch", "attach", "verify", "shift", "observe"],
            (
                "[before-launch] launch [after-launch] attach [before-traffic] verify shift "
                "[after-traffic] [after-drain] observe"
            ),
        ),
        (names(after_drain(PROMOTION)), "[after-drain] observe [before-retire] retire"),
        (names(decision(PROMOTION)), "[before-retire] retire"),
        (names(takeover(BLUE, GREEN, warm=[])), "attach [after-traffic] [before-retire] retire"),
        (names(BACK), "reattach detach [on-rollback] delete"),
        (names(BACK)[:2], "reattach detach [on-rollback]"),
        (names(rollback("", GREEN, BOTH)), "detach [on-rollback] delete"),
    ],
)
def test_a_point_is_the_entry_of_a_phase(phases: list[str], expected: str) -> None:
    assert bound(phases) == expected


def test_a_promotion_comes_to_every_point_that_decides() -> None:
    for how in (Manner(), WORKERS, ONE_BY_ONE):
        points = [
            each for entry in points_of(names(promotion(BLUE, GREEN, how=how))) for each in entry
        ]
        assert sorted(points) == sorted(FORWARD)
