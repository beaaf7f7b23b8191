"""What several reads prove."""

from __future__ import annotations

from math import inf

import pytest

from pipeline.core.freshness import ABSENT, PRESENT, SETTLED, Write, Writes, read_until
from tests.fakes import FakeSeconds


def reading(clock: FakeSeconds, times: list[float], since: float) -> bool:
    times.append(clock.time)
    return clock.time >= since


@pytest.mark.parametrize("since", [0.0, 4.0, SETTLED])
def test_an_answer_that_is_enough_ends_the_reads(since: float) -> None:
    clock, times = FakeSeconds(), list[float]()
    assert read_until(lambda: reading(clock, times, since), bool, clock)
    assert times[-1] <= since + 3


def test_what_no_answer_shows_is_gone_only_after_the_bound() -> None:
    clock, times = FakeSeconds(), list[float]()
    assert not read_until(lambda: reading(clock, times, inf), bool, clock)
    assert times[-1] == SETTLED
    assert len(times) > 3


def test_a_write_long_ago_needs_one_read_only() -> None:
    clock, times = FakeSeconds(time=100.0), list[float]()
    assert not read_until(lambda: reading(clock, times, inf), bool, clock, since=100.0 - SETTLED)
    assert len(times) == 1


def test_only_a_contradicting_write_makes_an_observation_doubtful() -> None:
    writes = Writes()
    assert writes.settled([*PRESENT, *ABSENT], ["blue"]) == -inf
    writes.note(Write.DETACH, ["blue"], 10.0)
    writes.note(Write.ATTACH, ["blue"], 20.0)
    assert writes.settled(PRESENT, ["blue", "green"]) == 10.0 + SETTLED
    assert writes.settled(ABSENT, ["blue"]) == 20.0 + SETTLED
    assert writes.settled(PRESENT, ["green"]) == -inf
    assert writes.all_settled(Write.ATTACH, Write.DETACH) == 20.0 + SETTLED


def test_another_run_may_have_written_anything_until_this_one_began() -> None:
    writes = Writes()
    writes.inherit(50.0)
    assert writes.settled([Write.CREATE], ["green"]) == 50.0 + SETTLED
