"""The tables of "Configuring how CloudWatch alarms treat missing data", and the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_cloud.metrics.alarm import Criteria, judged, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_cloud.metrics.alarm import Slot, State

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEPT = "INSUFFICIENT_DATA"
NO_DATA, FINE, FIRES = "INSUFFICIENT_DATA", "OK", "ALARM"


def slots(text: str) -> list[Slot]:
    """Return datapoints: X breaches, 0 does not, - is missing."""
    values = {"X": 2.0, "0": 0.0}
    return [
        (60.0 * n, values[each]) if each in values else None for n, each in enumerate(text.split())
    ]


def above_one(required: int, missing: str = "missing", periods: int = 3) -> Criteria:
    return Criteria(
        periods=periods,
        required=required,
        comparison="GreaterThanThreshold",
        threshold=1.0,
        missing=missing,
    )


@pytest.mark.parametrize(
    ("required", "points", "states"),
    [
        (3, "0 - X - X", (FINE, FINE, FINE, FINE)),
        (3, "- - - - 0", (FINE, FINE, FINE, FINE)),
        (3, "- - - - -", (NO_DATA, "kept", FIRES, FINE)),
        (3, "0 X X - X", (FIRES, FIRES, FIRES, FIRES)),
        (3, "- - X - -", (FIRES, "kept", FIRES, FINE)),
        (2, "0 - X - X", (FIRES, FIRES, FIRES, FIRES)),
        (2, "0 0 X 0 X", (FIRES, FIRES, FIRES, FIRES)),
        (2, "0 - X - -", (FINE, FINE, FIRES, FINE)),
        (2, "- - - - 0", (FINE, FINE, FIRES, FINE)),
        (2, "- - - X -", (FIRES, "kept", FIRES, FINE)),
    ],
)
def test_missing_data_counts_as_the_user_guide_says(
    required: int, points: str, states: Sequence[str]
) -> None:
    before: State
    for before in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        found = [judged(above_one(required, each), slots(points), before) for each in TREATMENTS]
        assert found == [before if state == "kept" else state for state in states]


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [2.0]),
        ("GreaterThanOrEqualToThreshold", [1.0, 2.0]),
        ("LessThanThreshold", [0.0]),
        ("LessThanOrEqualToThreshold", [0.0, 1.0]),
    ],
)
def test_each_operator_compares_with_the_threshold(comparison: str, breaching: list[float]) -> None:
    criteria = Criteria(periods=1, required=1, comparison=comparison, threshold=1.0)
    found = [value for value in (0.0, 1.0, 2.0) if judged(criteria, [(0, value)], "OK") == "ALARM"]
    assert found == breaching


@pytest.mark.parametrize(
    ("criteria", "points", "before", "after", "text"),
    [
        (
            above_one(2),
            "0 0 X 0 X",
            "OK",
            "ALARM",
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [2.0 (01/01/70 00:04:00), 2.0 "
                "(01/01/70 00:02:00)] were greater than the threshold (1.0) (minimum 2 datapoints "
                "for OK -> ALARM transition)."
            ),
        ),
        (
            above_one(1, periods=1),
            "- - 0",
            "ALARM",
            "OK",
            (
                "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (01/01/70 00:02:00)] was "
                "not greater than the threshold (1.0) (minimum 1 datapoint for "
                "ALARM -> OK transition)."
            ),
        ),
        (
            above_one(1, "notBreaching", periods=1),
            "- - -",
            "ALARM",
            "OK",
            (
                "Threshold Crossed: no datapoints were received for 1 period and 1 missing "
                "datapoint was treated as [NonBreaching]."
            ),
        ),
        (
            above_one(1),
            "-",
            "OK",
            "INSUFFICIENT_DATA",
            "Insufficient Data: 3 datapoints were unknown.",
        ),
    ],
)
def test_a_transition_has_a_reason_in_the_words_of_cloudwatch(
    criteria: Criteria, points: str, before: State, after: State, text: str
) -> None:
    assert reason(criteria, slots(points), before, after) == text
