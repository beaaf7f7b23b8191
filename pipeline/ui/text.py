"""Make foreign text safe to print, and lay out columns.

The output of Packer and of provisioners may contain terminal escapes, or commands
to a CI runner. A runner executes `::command` at the start of a line (GitHub docs,
"Workflow commands") and `##[command]` or `##vso[command]` anywhere in a line.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_COMMANDS = re.compile(r"##(?=\[|vso\[)")
_DURATION = re.compile(r"(?<=\d[hm]) (?=\d+[ms]\b)|(?<=\d) (?=(?:s|min|h|d)\b)")
_COMMAND = re.compile(r"ami-pipeline [a-z -]*-e [\w-]+")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def one_line(text: str, width: int = 0) -> str:
    """Return printable text on one line, cut to `width` characters if that is not 0."""
    text = _ESCAPES.sub("", text.replace("\t", " "))
    lines = re.split(r"[\r\n]+", text.strip())
    text = " ".join("".join(c for c in line if not _hidden(c)).strip() for line in lines)
    text = _harmless(_COMMANDS.sub("# #", text.strip()))
    return text if not width or len(text) <= width else text[: width - 3] + "..."


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def age(created: str, now: datetime) -> str:
    """Return the age of an ISO 8601 time in its largest unit: `3d`, `5h`, `2m`."""
    try:
        seconds = (now - datetime.fromisoformat(created)).total_seconds()
    except (ValueError, TypeError):  # TypeError for a time without a zone
        return "?"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"


def wrapped(text: str, width: int, indent: int) -> str:
    """Return the text wrapped at spaces to fit a column that starts at `indent`.

    A long word, such as a path, is not broken, nor is a command, so that it can be pasted. A
    number stays with its unit. No line begins with `::`, which a CI runner would execute.
    """
    text = _DURATION.sub("\N{NO-BREAK SPACE}", text)
    text = _COMMAND.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(
        text,
        max(width - indent, 20),
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = [_harmless(line) for line in lines]
    return f"\n{' ' * indent}".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _harmless(line: str) -> str:
    return ": " + line[1:] if line.startswith("::") else line


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return rows of cells as lines; each column is as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (
            indent + "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
