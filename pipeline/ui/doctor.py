"""What `doctor` found: a line for each check, below it what to type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.core.doctor import Check, Grade, all_passed
from pipeline.ui.text import one_line, table


def checkup_text(checks: Sequence[Check]) -> str:
    """Return the checks as lines, each that is not well with what to do."""
    lines = table([(str(each.grade), each.name, one_line(each.what)) for each in checks])
    told = []
    for line, each in zip(lines, checks, strict=True):
        told.append(line.rstrip())
        if each.remedy:
            told.append(f"         next: {one_line(each.remedy)}")
    return "\n".join([*told, _sum(checks)])


def _sum(checks: Sequence[Check]) -> str:
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
