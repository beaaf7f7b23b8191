"""Lay out text: ages, wrapped lines, columns; `one_line` makes foreign text safe to print."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from datetime import datetime

from pipeline.core.validation.one_line import harmless, one_line

__all__ = ["age", "below", "fitted", "folded", "one_line", "table", "without", "wrapped"]

_DURATION = re.compile(r"(?<=\d[hm]) (?=\d+[ms]\b)|(?<=\d) (?=(?:s|min|h|d)\b)")
_COMMAND = re.compile(r"ami-pipeline [a-z -]*-e [\w-]+(?: --config (?:'[^']*'|\S+))?")


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
    lines = [harmless(line) for line in lines]
    return f"\n{' ' * indent}".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return rows of cells as lines; each column is as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (
            indent + "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def fitted(
    rows: Sequence[Sequence[str]],
    width: int | None,
    folds: Sequence[str],
    beside: Sequence[str] = (),
) -> list[str]:
    """Return a table that fits `width`; the first row has the titles.

    While it is wider, the columns with the titles `folds` leave it in this order: what they say is
    below the row, after its part of `beside`, each with its title. None is any width.
    """
    titles, gone = rows[0], folded(rows, width, folds)
    lines = table([without(row, titles, gone) for row in rows])
    found = [lines[0]]
    for number, (line, row) in enumerate(zip(lines[1:], rows[1:], strict=True)):
        margin = beside[number] if beside else ""
        facts = ", ".join(below(row, titles, gone))
        found += [line, *([_below(facts, margin, width or 0)] if facts else [])]
    return found


def folded(
    rows: Sequence[Sequence[str]], width: int | None, folds: Sequence[str]
) -> tuple[str, ...]:
    """Return the titles of the columns without which a table fits, the first ones of `folds`."""
    titles = rows[0]
    for number in range(len(folds) + 1):
        gone = folds[:number]
        lines = table([without(row, titles, gone) for row in rows])
        if not width or max(map(len, lines)) <= width:
            break
    return tuple(title for title in titles if title in gone)


def without(row: Sequence[str], titles: Sequence[str], gone: Sequence[str]) -> list[str]:
    """Return the cells of a row without those of some columns."""
    return [cell for cell, title in zip(row, titles, strict=True) if title not in gone]


def below(row: Sequence[str], titles: Sequence[str], gone: Sequence[str]) -> list[str]:
    """Return what a row says in columns that left the table: `used by: group web-r000003`."""
    cells = ((title, row[titles.index(title)]) for title in gone)
    return [f"{title.lower()}: {cell}" for title, cell in cells if cell not in {"-", ""}]


def _below(text: str, margin: str, width: int) -> str:
    return "\n".join(
        f"{margin}    {line}" for line in wrapped(text, width - len(margin) - 4, 0).split("\n")
    )
