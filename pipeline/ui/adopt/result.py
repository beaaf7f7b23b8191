"""Render what `adopt` is about to record, what it recorded, and what `--undo` forgot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.core import commands
from pipeline.core.adoption.record import Adopted, describe
from pipeline.core.changes.inputs import InputChange
from pipeline.ui.adopt.plan import adoption_document, gap_lines
from pipeline.ui.text import one_line


def question(found: Adopted) -> str:
    """Return what would be recorded, and what would be added to pipeline.toml."""
    group, size = one_line(found.found.group), found.record.release.size
    numbers = f"{size.desired} instances ({size.minimum} to {size.maximum})"
    lines = [
        f"The group {group} launches {one_line(found.found.source)}.",
        f"It becomes {found.release}, which serves {found.environment} with {numbers}.",
        "ami-pipeline never resizes or deletes it.",
        "",
    ]
    if found.tables:
        lines += ["Added to pipeline.toml:", "", found.tables]
    lines += [*_differences(found.differs), *gap_lines(found.found)]
    return "\n".join(lines)


def _differences(differs: tuple[InputChange, ...]) -> Iterator[str]:
    if differs:
        yield "The configuration stays as it is, and differs from the group:"
        yield from (f"  {one_line(describe(each))}" for each in differs)
        yield ""


def adopted_text(found: Adopted, file: str) -> str:
    """Return the result for a person; `file` is the name of pipeline.toml."""
    group, table = one_line(found.found.group), f"[environments.{found.environment}]"
    if found.known:
        return f"nothing to do: {group} is already {found.release}, which serves"
    written = f"{table} was added to {file}" if found.tables else f"{file} is unchanged"
    policy = commands.permissions("deploy", found.environment, found.found.group)
    rows = [
        ("recorded", f"{found.release} is the group {group}; {written}"),
        ("policy", policy),
        ("undo", commands.of_environment("adopt", found.environment, "--undo")),
        ("next", commands.of_environment("promote", found.environment, "--plan")),
    ]
    first = f"{found.release} ({group}) serves {found.environment}"
    return "\n".join([first, "", *(f"{name:<11}{text}" for name, text in rows)])


def adopted_document(found: Adopted) -> dict[str, Any]:
    """Return the result for a program."""
    plan = adoption_document(found.environment, found.found, configured=not found.tables)
    return {
        **plan,
        "outcome": "unchanged" if found.known else "adopted",
        "release": found.release,
        "ami_id": found.record.release.ami_id or None,
        "added": found.tables or None,
        "differs": [
            {"setting": each.name, "configured": each.before, "group": each.after}
            for each in found.differs
        ],
        "next": commands.of_environment("promote", found.environment, "--plan"),
    }


def undone_text(environment: str, group: str, file: str) -> str:
    """Return what was forgotten and what remains."""
    table = f"[environments.{environment}]"
    lines = [
        f"{one_line(group)} is not adopted any more, and serves as before",
        "",
        f"remaining  {table} in {file}: delete it if you do not need it",
    ]
    return "\n".join(lines)


def undone_document(environment: str, group: str) -> dict[str, Any]:
    """Return what was forgotten, for a program."""
    return {"outcome": "forgotten", "environment": environment, "group": group}
