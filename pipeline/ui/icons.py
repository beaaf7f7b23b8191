"""Define the icons and the lines of a tree, and what replaces them in other encodings."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import TextIO

DONE = "✔"
FAILED = "✖"
STARTING = "◌"
STOPPING = "▾"
DETACHED = "○"
RUNNING = "▸"
PENDING = "·"
UNKNOWN = "?"

BRANCH, LAST, BESIDE, BELOW = "├── ", "└── ", "│   ", "    "

STYLES = {
    DONE: "green",
    FAILED: "red",
    STARTING: "yellow",
    STOPPING: "yellow",
    DETACHED: "dim",
    RUNNING: "cyan",
    PENDING: "dim",
}
"""Rich's names of the colors; each icon also differs by its shape."""

_ASCII = str.maketrans("✔✖◌▾○▸·├└─│…\N{NO-BREAK SPACE}", "+x~vo>.|`-|. ")


def drawable(text: str, encoding: str | None) -> str:
    """Return the text with its icons and lines in ASCII if the encoding lacks them."""
    try:
        ("".join(STYLES) + BRANCH + LAST).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII)
    return text


def make_printable(stream: TextIO, *, as_json: bool) -> None:
    """Let a stream replace what its encoding lacks, so that no text of a tool ends the program.

    An icon becomes a letter, another character the escape that Python and JSON have for it; in a
    JSON document both become the escape. A stream that is no text file stays as it is.
    """
    reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors=_JSON if as_json else _TEXT)


def _replacing(translate: Callable[[str], str]) -> Callable[[UnicodeError], tuple[str, int]]:
    """Return an error handler of `codecs` that replaces the characters it is given."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return translate(error.object[error.start : error.end]), error.end

    return replace


def _escaped(text: str) -> str:
    return "".join(each if each.isascii() else _escape(ord(each)) for each in text)


def _escape(code: int) -> str:
    """Return an escape that is valid in JSON: a surrogate pair beyond 16 bits (RFC 8259, 7)."""
    if code <= 0xFFFF:  # noqa: PLR2004 - the largest code point of one escape
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_TEXT, _JSON = "ami-pipeline-text", "ami-pipeline-json"
codecs.register_error(_TEXT, _replacing(lambda text: _escaped(text.translate(_ASCII))))
codecs.register_error(_JSON, _replacing(_escaped))
