"""Decide whether a read of AWS may be older than a write, and what several reads together prove.

EC2, Auto Scaling and Elastic Load Balancing are eventually consistent ("Eventual consistency in the
Amazon EC2 API"): a read may show an earlier state, and the next one an even earlier state. ADR 33
says why `SETTLED` bounds that, and what happens beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Protocol, TypeVar

SETTLED = 15.0
"""Seconds after a write from which on every read shows it: no answer is older than that."""
AGAIN = 3.0
"""Seconds between two reads of the same thing."""

Answer = TypeVar("Answer")


class Clock(Protocol):
    """Time of the cloud, in seconds."""

    def now(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait; may raise KeyboardInterrupt."""


def read_until(
    read: Callable[[], Answer],
    enough: Callable[[Answer], bool],
    clock: Clock,
    *,
    since: float | None = None,
) -> Answer:
    """Return the first answer that is `enough`, or one that no earlier state explains any longer.

    What one answer lacks may only not be visible yet. So the reads go on until one began `SETTLED`
    seconds after `since`, the time of the last write; without it, after the first read.
    """
    began = clock.now()
    settled = (began if since is None else since) + SETTLED
    while not enough(answer := read()) and began < settled:
        clock.sleep(min(AGAIN, settled - began))
        began = clock.now()
    return answer


class Write(Enum):
    """What a write does to a group."""

    CREATE = auto()
    ATTACH = auto()
    DETACH = auto()
    SHIFT = auto()
    """Changes the weights of its target groups."""
    RESTORE = auto()
    """Gives the group its own size again: an earlier state shows it whole with fewer members."""
    DELETE = auto()
    """Empties the group, or deletes it."""


PRESENT = (Write.DETACH, Write.DELETE, Write.RESTORE)
"""The writes that an observation must show before it proves that a group serves."""
ABSENT = (Write.CREATE, Write.ATTACH)
"""The writes that an observation must show before it proves that a group is detached or deleted."""


@dataclass(kw_only=True)
class Writes:
    """When this run last wrote to each group; `since` is when an earlier run may have written.

    Only a write that contradicts a statement makes an observation doubtful: no state from before
    a group was attached shows it healthy.
    """

    since: float = -inf
    _last: dict[tuple[Write, str], float] = field(default_factory=dict, init=False)

    def note(self, write: Write, groups: Iterable[str], at: float) -> None:
        """Note a write to these groups, at its beginning and again at its end."""
        self._last |= {(write, group): at for group in groups}

    def inherit(self, at: float) -> None:
        """Note that another run may have written to any group until this time."""
        self.since = max(self.since, at)

    def settled(self, writes: Iterable[Write], groups: Iterable[str]) -> float:
        """Return from when on every observation shows these writes to these groups."""
        names, kinds = set(groups), set(writes)
        last = (at for (write, name), at in self._last.items() if write in kinds and name in names)
        return max([self.since, *last]) + SETTLED

    def all_settled(self, *writes: Write) -> float:
        """Return from when on every observation shows this run's writes of these kinds."""
        return max((at for (each, _), at in self._last.items() if each in writes), default=-inf) + (
            SETTLED
        )
