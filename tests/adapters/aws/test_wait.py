from __future__ import annotations

import pytest

from pipeline.adapters.aws.wait import until


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_answer_that_is_there_is_returned_at_once(clock: Clock) -> None:
    assert until(lambda: "yes", seconds=5, clock=clock.time, sleep=clock.sleep) == "yes"
    assert clock.pauses == []


def test_false_is_an_answer(clock: Clock) -> None:
    assert until(lambda: False, seconds=5, clock=clock.time, sleep=clock.sleep) is False


def test_an_answer_that_comes_is_waited_for_with_longer_pauses(clock: Clock) -> None:
    answers = iter([None] * 8)
    found = until(lambda: next(answers, "late"), seconds=99, clock=clock.time, sleep=clock.sleep)
    assert found == "late"
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[0] <= 0.4
    assert clock.pauses[-1] == 5.0


def test_no_answer_in_time_is_none(clock: Clock) -> None:
    assert until(lambda: None, seconds=30, clock=clock.time, sleep=clock.sleep) is None
    assert 130.0 <= clock.now <= 135.0


def test_an_error_is_not_waited_away(clock: Clock) -> None:
    def fail() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        until(fail, seconds=30, clock=clock.time, sleep=clock.sleep)
    assert clock.pauses == []
