from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pipeline.adapters.process.signals import Interrupts

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def interrupts() -> Interrupts:
    installed = Interrupts()
    installed.install()
    return installed


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_raised_outside_a_held_block(
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


def test_inside_a_heard_block_a_signal_is_raised_at_once(interrupts: Interrupts) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts.held(), interrupts.heard():  # noqa: PT012 - the same
        done.append("asked")
        send(signal.SIGINT)
        done.append("answered")
    assert done == ["asked"]


def test_a_held_block_inside_a_heard_block_defers_again(interrupts: Interrupts) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts.held(), interrupts.heard():  # noqa: PT012 - the same
        with interrupts.held():
            send(signal.SIGINT)
            done.append("to its end")
        done.append("never")
    assert done == ["to its end"]


def test_a_signal_from_before_is_raised_as_a_heard_block_begins(interrupts: Interrupts) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012 - the same
        send(signal.SIGTERM)
        with interrupts.heard():
            done.append("never")
    assert done == []


def test_after_a_heard_block_signals_are_deferred_again(interrupts: Interrupts) -> None:
    with interrupts.held():
        with interrupts.heard():
            pass
        send(signal.SIGTERM)
        assert interrupts.answer() == 1
    assert interrupts.pending is None


def test_an_error_of_the_block_is_not_replaced_by_the_signal(interrupts: Interrupts) -> None:
    with pytest.raises(ValueError, match="went wrong"), interrupts.held():  # noqa: PT012 - the same
        send(signal.SIGTERM)
        raise ValueError("what went wrong")


def test_without_a_signal_nothing_is_raised(interrupts: Interrupts) -> None:
    with interrupts.held():
        pass
    assert (interrupts.count, interrupts.pending) == (0, None)


def test_an_answered_signal_is_no_longer_raised_but_still_counted_as_arrived(
    interrupts: Interrupts,
) -> None:
    with interrupts.held():
        send(signal.SIGTERM)
        interrupts.answer()
        assert (interrupts.count, interrupts.pending, interrupts.arrived) == (0, None, 1)
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        send(signal.SIGINT)
    assert (interrupts.count, interrupts.pending) == (1, signal.SIGINT)
    assert interrupts.arrived == 2


def test_a_sleep_ends_when_its_time_is_up(interrupts: Interrupts) -> None:
    began = time.monotonic()
    interrupts.sleep(0)
    interrupts.sleep(0.06)
    assert 0.06 <= time.monotonic() - began < 5


def test_a_deferred_signal_ends_a_sleep_too(interrupts: Interrupts) -> None:
    done: list[str] = []
    began = time.monotonic()
    timer = threading.Timer(0.02, send, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012 - the block is the subject
        try:
            interrupts.sleep(60)
        except KeyboardInterrupt:
            done.append("told inside")
    timer.join()
    assert done == ["told inside"]
    assert time.monotonic() - began < 30


def test_a_sleep_raises_while_a_signal_is_unanswered(interrupts: Interrupts) -> None:
    done: list[str] = []
    with interrupts.held():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.sleep(0)
        interrupts.answer()
        interrupts.sleep(0)
        done.append("slept")
    assert done == ["slept"]


def test_signals_are_deferred_until_the_last_thread_has_ended_its_block(
    interrupts: Interrupts,
) -> None:
    inside, go = threading.Event(), threading.Event()

    def hold() -> None:
        with interrupts.held():
            inside.set()
            go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(30)
    send(signal.SIGINT)  # not raised here: the thread's child must end first
    interrupts.answer()
    go.set()
    thread.join(30)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
