"""Compare the versions of packages, as Debian and RPM order them.

The order is deb-version(7)'s: epoch, upstream version, revision, each in turns of text and number,
with a tilde before everything. RPM's order (rpm-version(7)) is the same for what it releases:
it, too, compares numbers as numbers, has epochs and tildes; its caret is after the end.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"(\D*)(\d*)")


def is_older(before: str, after: str) -> bool:
    """Return True if a version is older than another one."""
    return _key(before) < _key(after)


def _key(version: str) -> tuple[int, list[tuple[list[int], int]], list[tuple[list[int], int]]]:
    epoch, colon, rest = version.rpartition(":")
    number = int(epoch) if colon and epoch.isdigit() else 0
    upstream, dash, revision = rest.rpartition("-")
    return number, _parts(upstream if dash else rest), _parts(revision if dash else "")


def _parts(text: str) -> list[tuple[list[int], int]]:
    """Return the turns of text and number; each ends with 0, which only a tilde is before."""
    found = _PARTS.findall(text)
    return [([*map(_order, word), 0], int(digits or "0")) for word, digits in found]


def _order(character: str) -> int:
    """Return a character's place: the tilde first, then the end, letters, and all others."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 0x110000
