"""Asks again until an answer is there or the time is up. The only home of tenacity's waiting.

The clock and the sleep are handed in, so that tests neither wait nor sleep;
tenacity's own `stop_after_delay` reads the real clock and would never end then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential

Answer = TypeVar("Answer")


def until(
    ask: Callable[[], Answer | None],
    *,
    seconds: float,
    first_pause: float = 0.2,
    longest_pause: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer | None:
    """Return the first answer that is not None, or None once `seconds` have passed."""
    deadline = clock() + seconds

    def too_late(_: RetryCallState) -> bool:
        return clock() >= deadline

    return Retrying(
        retry=retry_if_result(lambda answer: answer is None),
        stop=too_late,
        wait=wait_exponential(multiplier=first_pause, max=longest_pause),
        sleep=sleep,
        retry_error_callback=lambda _: None,
    )(ask)
