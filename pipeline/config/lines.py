"""Find the line of each key in a TOML text.

`tomllib` does not keep line numbers, and an error needs them. `tomllib` has already
accepted the text, so this parser assumes valid syntax and follows only strings,
brackets and keys. Keys are paths from the top of the document: a table's header, a
dotted key, a key of an inline table and an element of an array each have a line.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final, TypeAlias

Key: TypeAlias = tuple[str | int, ...]

_STRING: Final = (
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_PIECE = re.compile(
    rf"(?P<string>{_STRING})|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<space>[ \t\r]+)"
    r"|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.\#\"']+)",
    re.DOTALL,
)


def lines(text: str) -> dict[Key, int]:
    """Return the line of each key path of a valid TOML document, counted from 1."""
    return _Reader(text).read()


def last_lines(text: str) -> dict[Key, int]:
    """Return the last line of each key with a value, counted from 1."""
    reader = _Reader(text)
    reader.read()
    return reader.ends


def depth(text: str) -> int:
    """Return how deep a text nests, by brackets or by dots, before a parser reads it.

    The text may be invalid. The time of `tomllib` grows with the square of the dots in one
    key (35 seconds for 100 KiB), and brackets exhaust its stack.
    """
    deepest = brackets = dots = 0
    for piece, _ in _pieces(text):
        if piece == "\n":
            dots = 0
        elif piece == ".":
            dots += 1
        elif piece in {"[", "{"}:
            brackets += 1
        elif piece in {"]", "}"}:
            brackets -= 1
        elif piece in {"=", ","}:
            dots = 0
        deepest = max(deepest, brackets, dots)
    return deepest


class _Reader:
    """A cursor over the pieces of one document."""

    def __init__(self, text: str) -> None:
        self.pieces = _pieces(text)
        self.at = 0
        self.found: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}
        self.ends: dict[Key, int] = {}

    def read(self) -> dict[Key, int]:
        table: Key = ()
        while (piece := self._next_beyond_newlines()) is not None:
            if piece == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.found

    def _next_beyond_newlines(self) -> str | None:
        while self.at < len(self.pieces) and self._text == "\n":
            self.at += 1
        return self._text if self.at < len(self.pieces) else None

    @property
    def _text(self) -> str:
        return self.pieces[self.at][0]

    @property
    def _line(self) -> int:
        return self.pieces[self.at][1]

    def _header(self) -> Key:
        start = self.at
        # Two adjacent brackets open an array of tables; TOML allows no space between them.
        is_array = self.pieces[self.at + 1] == ("[", self._line)
        self.at += 2 if is_array else 1
        key = self._resolve(self._key(), element=is_array)
        self._note(key, self.pieces[start][1])
        self.at += 2 if is_array else 1
        return key

    def _resolve(self, parts: Key, *, element: bool) -> Key:
        """Return the key with the index of the newest element after each array of tables."""
        key: Key = ()
        for place, part in enumerate(parts):
            key = (*key, part)
            if element and place == len(parts) - 1:
                self.counts[key] = self.counts.get(key, 0) + 1
            if key in self.counts:
                key = (*key, self.counts[key] - 1)
        return key

    def _pair(self, table: Key) -> None:
        line = self._line
        key = (*table, *self._key())
        self._note(key, line)
        self.at += 1  # the equals sign
        self._value(key)
        last, line = self.pieces[self.at - 1]
        self.ends[key] = line + last.count("\n")

    def _key(self) -> Key:
        parts = [_name(self._text)]
        self.at += 1
        while self._text == ".":
            parts.append(_name(self.pieces[self.at + 1][0]))
            self.at += 2
        return tuple(parts)

    def _value(self, key: Key) -> None:
        if self._text == "[":
            self._array(key)
        elif self._text == "{":
            self._inline_table(key)
        else:
            self._scalar()

    def _array(self, key: Key) -> None:
        self.at += 1
        place = 0
        while self._next_beyond_newlines() != "]":
            if self._text == ",":
                place += 1
                self.at += 1
                continue
            self._note((*key, place), self._line)
            self._value((*key, place))
        self.at += 1

    def _inline_table(self, key: Key) -> None:
        self.at += 1
        while self._next_beyond_newlines() != "}":
            if self._text == ",":
                self.at += 1
                continue
            self._pair(key)
        self.at += 1

    def _scalar(self) -> None:
        # A number or a date may be several pieces: 1.5, 1979-05-27 07:32:00.
        while self.at < len(self.pieces) and self._text not in {"\n", ",", "]", "}"}:
            self.at += 1

    def _note(self, key: Key, line: int) -> None:
        """Record the first line of a key and of the tables that it creates."""
        for length in range(1, len(key) + 1):
            self.found.setdefault(key[:length], line)


def _pieces(text: str) -> list[tuple[str, int]]:
    """Return the pieces of a text without comments and spaces, each with its line."""
    pieces: list[tuple[str, int]] = []
    line = 1
    for match in _PIECE.finditer(text):
        if match.lastgroup not in {"comment", "space"}:
            pieces.append((match.group(), line))
        line += match.group().count("\n")
    return pieces


def _name(piece: str) -> str:
    """Return the name of a key, bare or quoted."""
    if piece[0] not in "\"'":
        return piece
    return str(tomllib.loads(f"key = {piece}")["key"])
