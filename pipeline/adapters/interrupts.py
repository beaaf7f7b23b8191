"""Signals that ask the tool to end: raised at once, or held back while something must finish.

Ctrl-C, a CI runner's SIGINT or SIGTERM and a closed terminal all mean the same
here. While nothing is at stake they raise `KeyboardInterrupt` where the program
stands; inside `held()` they are only noted, so that a running Packer is ended
properly and a clean-up is not cut in two.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The signals of this process; install once, from the main thread."""

    def __init__(self) -> None:
        self.pending: signal.Signals | None = None
        self.count = 0
        self._depth = 0

    def install(self) -> None:
        """Take over SIGINT, SIGTERM and SIGHUP."""
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.pending = signal.Signals(number)
        self.count += 1
        if not self._depth:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Note signals instead of raising; one noted inside is raised when the block ends well."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self.pending and not self._depth:
            raise KeyboardInterrupt
