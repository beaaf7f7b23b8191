from __future__ import annotations

import os
import signal

import pytest

from pipeline.adapters.interrupts import Interrupts

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def interrupts() -> Interrupts:
    installed = Interrupts()
    installed.install()
    return installed


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_raised_where_nothing_is_at_stake(
    interrupts: Interrupts, number: signal.Signals
) -> None:
    with pytest.raises(KeyboardInterrupt):
        send(number)
    assert interrupts.pending is number


def test_inside_a_held_block_a_signal_waits_for_the_end(interrupts: Interrupts) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012 - the block is the subject
        send(signal.SIGTERM)
        done.append("first")
        send(signal.SIGINT)
        done.append("second")
    assert done == ["first", "second"]
    assert (interrupts.count, interrupts.pending) == (2, signal.SIGINT)


def test_of_nested_blocks_the_outermost_raises(interrupts: Interrupts) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012 - the block is the subject
        with interrupts.held():
            send(signal.SIGTERM)
        done.append("after the inner block")
    assert done == ["after the inner block"]


def test_an_error_of_the_block_is_not_replaced_by_the_signal(interrupts: Interrupts) -> None:
    with pytest.raises(ValueError, match="went wrong"), interrupts.held():  # noqa: PT012 - the same
        send(signal.SIGTERM)
        raise ValueError("what went wrong")


def test_without_a_signal_nothing_is_raised(interrupts: Interrupts) -> None:
    with interrupts.held():
        pass
    assert (interrupts.count, interrupts.pending) == (0, None)
