from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pipeline.core.validation.deployment_values import (
    PAUSES,
    check_pausable,
    check_pause_time,
    check_reason,
    check_wait,
)
from pipeline.core.validation.phases import PHASES


def test_every_pause_belongs_to_a_phase() -> None:
    assert set(PAUSES.values()) <= set(PHASES)


REFUSED = [
    (check_pausable, "detach", "is on the way back, which never waits: write one of launch"),
    (check_pausable, "step", "has no number: write one of launch, verify, attach, step-1,"),
    (check_pausable, "drian", "'drian' is not a phase: write drain"),
    (check_pause_time, "59s", "is out of range: a pause of a promotion is at least 1m"),
    (check_pause_time, "721h", "is out of range"),
    (check_wait, "0s", "is out of range: a wait is at least 1s"),
    (check_wait, "soon", "is not a duration"),
    (check_reason, "a\nb", "a reason is one line"),
    (check_reason, "\x1b[31m", "a reason is one line"),
]


@pytest.mark.parametrize(("check", "value", "text"), REFUSED)
def test_a_value_of_a_pause_that_is_wrong_is_explained(
    check: Callable[[str], object], value: str, text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        check(value)


def test_a_pause_is_before_a_phase_of_the_way_forward() -> None:
    names = (
        "launch",
        "verify",
        "attach",
        "step-1",
        "step-12",
        "batch-10",
        "soak",
        "shift",
        "drain",
        "retire",
    )
    assert tuple(map(check_pausable, names)) == names
    assert (check_pause_time("24h"), check_wait("90s"), check_reason("")) == (86400.0, 90.0, "")
