"""Render the checks of `doctor`: a line for each, and its remedy below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.core.doctor import Check, Grade, all_passed
from pipeline.ui.text import one_line, table


def checkup_text(checks: Sequence[Check]) -> str:
    """Return the checks as lines, each with its remedy, if any."""
    lines = table([(str(each.grade), each.name, one_line(each.what)) for each in checks])
    text = []
    for line, each in zip(lines, checks, strict=True):
        text.append(line.rstrip())
        if each.remedy:
            text.append(f"         next: {one_line(each.remedy)}")
    return "\n".join([*text, _count(checks)])


def _count(checks: Sequence[Check]) -> str:
    count = {grade: sum(each.grade is grade for each in checks) for grade in Grade}
    found = count[Grade.PROBLEM]
    return f"{len(checks)} checks, {found or 'no'} problem{'' if found == 1 else 's'}"


def checkup_document(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the checks for a program."""
    return {
        "healthy": all_passed(checks),
        "checks": [
            {
                "name": each.name,
                "grade": str(each.grade),
                "what": each.what,
                "next": each.remedy or None,
            }
            for each in checks
        ],
    }
