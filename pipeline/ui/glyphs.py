"""The eight icons and the lines of a tree, and what stands for them where they cannot be drawn."""

from __future__ import annotations

DONE = "✔"
FAILED = "✖"
COMING = "◌"
LEAVING = "▾"
DARK = "○"
RUNNING = "▸"
LATER = "·"
UNKNOWN = "?"

BRANCH, LAST, BESIDE, BELOW = "├── ", "└── ", "│   ", "    "

STYLES = {
    DONE: "green",
    FAILED: "red",
    COMING: "yellow",
    LEAVING: "yellow",
    DARK: "dim",
    RUNNING: "cyan",
    LATER: "dim",
}
"""Rich's names of the colours; a shape says the same without them."""

_PLAIN = str.maketrans("✔✖◌▾○▸·├└─│", "+x~vo>.|`-|")


def drawable(text: str, encoding: str | None) -> str:
    """Return the text with its icons and lines in ASCII where the encoding has no others."""
    try:
        (DONE + FAILED + COMING + LEAVING + DARK + RUNNING + LATER + BRANCH + LAST).encode(
            encoding or "utf-8"
        )
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN)
    return text
