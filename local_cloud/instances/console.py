"""Keep the console output of an instance: the last 64 KB, as GetConsoleOutput does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT = 64 * 1024
CHUNK = 65536
MARKS = 4096


class Journal(Protocol):
    """What keeps the messages of an instance with their times."""

    def say(self, source: str, text: str) -> None:
        """Append a message."""

    def heard(self, source: str, line: bytes) -> None:
        """Append a line of a program's output."""


@dataclass(kw_only=True)
class Console:
    """A file that is cut to its last part when it has grown to twice that size.

    What is said here is in the journal, too.
    """

    path: Path
    journal: Journal | None = None
    _size: int = 0
    _written: int = 0
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MARKS))

    def write(self, text: bytes) -> None:
        """Append bytes."""
        with self.path.open("ab") as file:
            file.write(text)
            self._size = file.tell()
        self._written += len(text)
        self._marks.append((time.monotonic(), self._written))
        if self._size > 2 * KEPT:
            kept = self.read()
            self.path.write_bytes(kept)

    def say(self, source: str, text: str) -> None:
        """Append a line of the machine itself."""
        if self.journal:
            self.journal.say(source, text)
        self.write(f"{source}: {text}\n".encode())

    def read(self, lag: float = 0.0) -> bytes:
        """Return the last 64 KB, without what was written in the last `lag` real seconds."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        late = self._written - self._size_before(time.monotonic() - lag) if lag else 0
        return text[: max(len(text) - late, 0)][-KEPT:]

    def _size_before(self, moment: float) -> int:
        marks = [size for at, size in list(self._marks) if at <= moment]
        return marks[-1] if marks else 0

    async def pump(
        self,
        source: str,
        stream: asyncio.StreamReader,
        seen: Callable[[bytes], object] = lambda _: None,
    ) -> None:
        """Append the output of a process, line by line, until it closes it.

        `seen` is called with each line after it was appended.
        """
        prefix = f"{source}: ".encode()
        while line := await read_line(stream):
            self.write(prefix + line.rstrip(b"\n") + b"\n")
            if self.journal:
                self.journal.heard(source, line)
            seen(line)


async def read_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, or a buffer's worth of an endless line."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    except asyncio.LimitOverrunError:
        return await stream.read(CHUNK)
