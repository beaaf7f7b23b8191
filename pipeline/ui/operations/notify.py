"""Render what `notify test` and `notify check` did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline.core.notifications.notification import document
from pipeline.core.notifications.results import Checked, Sent
from pipeline.ui.text import one_line, table


def test_text(sent: Sequence[Sent]) -> str:
    """Return a line for each target: whether it took the test, or why not."""
    return "\n".join(table([(each.target, each.environment, _end(each.error)) for each in sent]))


def test_document(sent: Iterable[Sent]) -> dict[str, Any]:
    """Return the tests for a program."""
    return {
        "targets": [
            {
                "name": each.target,
                "kind": each.kind,
                "environment": each.environment,
                "sent": not each.error,
                "error": each.error or None,
            }
            for each in sent
        ]
    }


def check_text(found: Iterable[Checked]) -> str:
    """Return what is overdue in each environment, and who was told."""
    return "\n".join(line for each in found for line in _checked(each))


def _checked(found: Checked) -> Iterator[str]:
    if not found.overdue and not found.problems:
        nothing = "nothing is overdue" if found.is_checked else "not checked: [notify_check] is 0"
        yield f"{found.environment}: {nothing}"
    for each in found.overdue:
        facts = ", ".join(f"{line.label}: {one_line(line.text)}" for line in each.lines)
        yield f"{found.environment}: {each.title} ({facts})"
    if found.overdue and not found.wanted:
        yield "  no target of [[notify]] is told of this"
    if found.told:
        yield f"  told: {', '.join(found.told)}"
    failed = {each.partition(":")[0] for each in found.problems}
    if earlier := [each for each in found.wanted if each not in {*found.told, *failed}]:
        yield f"  told earlier today: {', '.join(earlier)}"
    yield from (f"  failed: {one_line(each)}" for each in found.problems)


def check_document(found: Iterable[Checked]) -> dict[str, Any]:
    """Return what is overdue for a program."""
    return {
        "environments": [
            {
                "environment": each.environment,
                "checked": each.is_checked,
                "overdue": [document(one) for one in each.overdue],
                "told": list(each.told),
                "failed": list(each.problems),
            }
            for each in found
        ]
    }


def _end(error: str) -> str:
    return f"failed: {one_line(error)}" if error else "sent"
