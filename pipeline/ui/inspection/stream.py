"""Write lines to stdout as they come, until the reader of a pipe has gone.

With color, the beginning of a line has the color of its release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from pipeline.ui.icons import drawable
from pipeline.ui.text import wrapped

_INDENT = 4

COLORS = (32, 36, 33, 35, 34, 31)
"""SGR codes (ECMA-48, 8.3.117): green, cyan, yellow, magenta, blue, red, in order of appearance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamLine:
    """One line: `head` is colored by `key`, which is a release; `text` is not."""

    key: str
    head: str
    text: str


@dataclass(kw_only=True)
class LineStream:
    """Writes lines; `color` allows escape sequences.

    A longer line than `width` is wrapped at spaces; None keeps whole lines.
    """

    stream: TextIO
    color: bool = False
    width: int | None = None
    _codes: dict[str, int] = field(default_factory=dict, init=False)

    def write(self, lines: Iterable[StreamLine]) -> bool:
        """Write lines and flush; return False once the reader has gone."""
        try:
            for line in lines:
                self.stream.write(f"{drawable(self._shown(line), self.stream.encoding)}\n")
            self.stream.flush()
        except BrokenPipeError:
            return False
        return True

    def _shown(self, line: StreamLine) -> str:
        if not line.head:
            return line.text
        head = line.head
        text = f"{head} {line.text}".rstrip()
        if self.width and len(text) > self.width:
            text = wrapped(text, self.width, _INDENT)
        if self.color and line.key and text.startswith(head):
            code = self._codes.setdefault(line.key, COLORS[len(self._codes) % len(COLORS)])
            text = f"\x1b[{code}m{head}\x1b[0m{text.removeprefix(head)}"
        return text
