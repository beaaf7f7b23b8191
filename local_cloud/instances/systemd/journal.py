"""Keep the journal of an instance, and carry out `journalctl` (journalctl(1)).

It holds what journald holds: the output of services, the changes of their state and what cloud-init
prints. A process id is not part of it.
"""

from __future__ import annotations

import getopt
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

Answer = tuple[int, str]
KEPT = 10_000
"""Entries of an instance; older ones are dropped, as journald rotates its files."""
LONGEST = 50_000
"""Bytes of an answer: what a pipe takes at once, with a margin."""
LINES = 10
"""What `--lines` without a number means (journalctl(1))."""
SHORT = "n:u:o:qbae"
LONG = ["lines=", "unit=", "output=", "after-cursor=", "show-cursor"]
NO_EFFECT = ["no-pager", "quiet", "utc", "boot", "all", "pager-end", "no-hostname"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message; `at` are seconds since the epoch."""

    number: int
    at: float
    source: str
    text: str


@dataclass(kw_only=True)
class Journal:
    """The newest entries of an instance; they outlive a reboot, as with `Storage=persistent`."""

    host: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    clock: Callable[[], float] = time.time
    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0

    def say(self, source: str, text: str) -> None:
        """Append a message."""
        self._number += 1
        entry = Entry(number=self._number, at=self.clock(), source=source, text=text)
        self._entries.append(entry)

    def heard(self, source: str, line: bytes) -> None:
        """Append a line of a program's output."""
        self.say(source, line.decode(errors="replace").rstrip("\n"))

    def journalctl(self, words: Sequence[str]) -> Answer:
        """Return the exit status and the output of a command line."""
        try:
            given, rest = getopt.gnu_getopt(list(words), SHORT, [*LONG, *NO_EFFECT])
            options = {name.lstrip("-"): value for name, value in given}
            return 0, self._selected(options, rest)
        except (getopt.GetoptError, ValueError) as error:
            return 1, f"journalctl: {error}: not supported by the local cloud\n"

    def _selected(self, options: dict[str, str], rest: Sequence[str]) -> str:
        if rest:
            raise ValueError(f"matches such as {rest[0]}")
        write = _format(options.get("output") or options.get("o") or "short")
        unit = options.get("unit") or options.get("u") or ""
        found = [
            each for each in self._entries if unit in {"", each.source, f"{each.source}.service"}
        ]
        if "after-cursor" in options:
            after = self._position(options["after-cursor"])
            found = [each for each in found if each.number > after]
        if (lines := options.get("lines", options.get("n"))) is not None:
            count = int(lines or LINES)
            found = found[-count:] if count else []
        last = found[-1].number if found else self._number
        cursor = f"-- cursor: s={self.id};i={last:x}\n" if "show-cursor" in options else ""
        return _end_of((write(self.host, each) for each in found), cursor)

    def _position(self, cursor: str) -> int:
        journal, _, number = cursor.partition(";i=")
        if journal != f"s={self.id}":
            raise ValueError(f"Failed to seek to cursor {cursor}")
        return int(number, 16)


def _end_of(lines: Iterable[str], cursor: str) -> str:
    """Return the last whole lines that an answer can hold, and the cursor."""
    kept, room = [], LONGEST - len(cursor)
    for line in reversed(list(lines)):
        room -= len(line.encode())
        if room < 0:
            break
        kept.append(line)
    return "".join(reversed(kept)) + cursor


def _format(output: str) -> Callable[[str, Entry], str]:
    """Return what writes an entry in a format of `--output`; times are UTC."""
    times = {"short": "%b %d %H:%M:%S", "short-iso": "%Y-%m-%dT%H:%M:%S+0000"}
    if output == "cat":
        return lambda _host, entry: f"{entry.text}\n"
    if output not in times:
        raise ValueError(f"output {output}")

    def write(host: str, entry: Entry) -> str:
        at = datetime.fromtimestamp(entry.at, UTC).strftime(times[output])
        return f"{at} {host} {entry.source}: {entry.text}\n"

    return write
