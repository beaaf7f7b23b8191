"""Define the icons and the lines of a tree, and their ASCII replacements."""

from __future__ import annotations

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

_ASCII = str.maketrans("✔✖◌▾○▸·├└─│", "+x~vo>.|`-|")


def drawable(text: str, encoding: str | None) -> str:
    """Return the text with its icons and lines in ASCII if the encoding lacks them."""
    try:
        ("".join(STYLES) + BRANCH + LAST).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII)
    return text
