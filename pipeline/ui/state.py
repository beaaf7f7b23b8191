"""The copies of an environment's document, and what putting one back changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipeline.core.state.document_versions import Copies, Copy, Restoration
from pipeline.core.state.environment import Environment
from pipeline.ui.text import one_line, table

_HEADINGS = ("VERSION", "WRITTEN", "EPOCH", "SERVING", "IN FLIGHT", "STATE")
MOST = 200
"""Lines of a difference that are shown to a person: a damaged file may be of any length."""


def copies_text(copies: Copies) -> str:
    """Return each copy in a line, and what to run where the one that stands is of no use."""
    rows = [_HEADINGS, _row("now", copies.current)]
    rows += [_row(str(number), each) for number, each in enumerate(copies.earlier, 1)]
    lines = [one_line(copies.where), *table(rows)]
    if not copies.earlier:
        lines.append("no earlier version was kept")
    if copies.damaged and copies.good:
        lines.append(f"next: ami-pipeline state restore -e {copies.environment}")
    return "\n".join(lines)


def _row(number: str, copy: Copy | None) -> tuple[str, ...]:
    if copy is None:
        return (number, "", "", "", "", "is not there")
    found = copy.environment
    if found is None:
        return (number, _when(copy.when), "", "", "", one_line(copy.wrong))
    flight = found.deployment
    return (
        number,
        _when(copy.when),
        str(found.epoch),
        found.serving or "-",
        f"{flight.kind} {flight.id}" if flight else "-",
        "whole",
    )


def _when(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else ""


def copies_document(copies: Copies) -> dict[str, Any]:
    """Return the copies for a program."""
    return {
        "environment": copies.environment,
        "where": copies.where,
        "damaged": copies.damaged,
        "current": _document(0, copies.current) if copies.current else None,
        "earlier": [_document(number, each) for number, each in enumerate(copies.earlier, 1)],
        "restorable": copies.good or None,
    }


def _document(number: int, copy: Copy) -> dict[str, Any]:
    found = copy.environment
    return {
        "version": number,
        "written": _when(copy.when) or None,
        "wrong": copy.wrong or None,
        "epoch": found.epoch if found else None,
        "serving": found.serving if found else None,
        "in_flight": found.deployment.id if found and found.deployment else None,
    }


def difference_text(restoration: Restoration) -> str:
    """Return what a person reads before the question: what is wrong, and what would change."""
    copies = restoration.copies
    current = copies.current
    wrong = current.wrong or "is whole" if current else "is not there"
    lines = [f"{copies.where} {wrong}", *_cut(restoration.difference)]
    return "\n".join(_shown(line) for line in lines)


def _cut(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    more = len(every) - MOST
    return [*every[:MOST], f"... and {more} more lines"] if more > 0 else every


def _shown(line: str) -> str:
    """Return a line that is safe to show, behind its mark and indented as it is."""
    mark = line[:1] if line[:1] in {"+", "-", " "} and line[:3] not in {"+++", "---"} else ""
    rest = line[len(mark) :]
    return mark + rest[: len(rest) - len(rest.lstrip(" "))] + one_line(rest)


def restored_text(restoration: Restoration) -> str:
    """Return what was put back, and what to run next."""
    where = one_line(restoration.copies.where)
    lines = [f"restored {where} from version {restoration.number}"]
    return "\n".join([*lines, f"next: {next_command(restoration.document)}"])


def restored_document(restoration: Restoration) -> dict[str, Any]:
    """Return the same for a program, with the difference."""
    return {
        "environment": restoration.document.environment,
        "where": restoration.copies.where,
        "restored": restoration.number,
        "epoch": restoration.document.epoch,
        "difference": list(restoration.difference),
        "next": next_command(restoration.document),
    }


def next_command(document: Environment) -> str:
    """Return what to run once a document was put back."""
    verb = "recover" if document.deployment else "status"
    return f"ami-pipeline {verb} -e {document.environment}"
