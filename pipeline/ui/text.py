"""Makes any text safe to show on one line, times and ages short, and columns straight.

What Packer and provisioners print may hold terminal escapes, or lines that a CI
runner would obey. A runner takes `::command` at the start of a line (GitHub
docs, "Workflow commands") and `##[command]` or `##vso[command]` anywhere in one,
so neither can come out of here.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_COMMANDS = re.compile(r"##(?=\[|vso\[)")
_UNITS = re.compile(r"(?<=\d) (?=(?:s|min|h|d)\b)")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def one_line(text: str, width: int = 0) -> str:
    """Return printable text without line ends, cut to `width` characters if that is not 0."""
    text = _ESCAPES.sub("", text.replace("\t", " "))
    lines = re.split(r"[\r\n]+", text.strip())
    text = " ".join("".join(c for c in line if not _hidden(c)).strip() for line in lines)
    text = _COMMANDS.sub("# #", text.strip())
    if text.startswith("::"):
        text = ": " + text[1:]
    return text if not width or len(text) <= width else text[: width - 3] + "..."


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def duration(seconds: float) -> str:
    """Return `4.2 s`, `3 min 12 s` or `1 h 05 min`."""
    if round(seconds, 1) < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def age(created: str, now: datetime) -> str:
    """Return how long ago an ISO 8601 time was, in its largest unit: `3 d`, `5 h`, `2 min`."""
    try:
        seconds = (now - datetime.fromisoformat(created)).total_seconds()
    except (ValueError, TypeError):  # TypeError for a time without a zone
        return "?"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"


def wrapped(text: str, width: int, indent: int) -> str:
    """Return the text broken at spaces so that it fits a column begun at `indent`.

    A word that is longer, such as a path, stays whole: it is there to be pasted. A number stays
    with its unit.
    """
    lines = textwrap.wrap(
        _UNITS.sub("\N{NO-BREAK SPACE}", text),
        max(width - indent, 20),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f"\n{' ' * indent}".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (
            indent + "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
