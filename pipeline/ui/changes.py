"""Render what a release brings: for the plan, the prompt, the outcome and the history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.core.changes.inputs import InputChange, is_digest
from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ComparedImage,
    ExtraHours,
    GroupSize,
    ImageChange,
    InputChanges,
    ListedCommit,
    PackageChanges,
    SizeChange,
)
from pipeline.core.changes.summary import summary, versions
from pipeline.ui.text import one_line, wrapped

_INDENT = 11
SHOWN = 10
"""How many commits and packages a text lists; JSON and the report have the others."""


def changes_text(changes: Changes | None, width: int = 100) -> list[str]:
    """Return a line for each part that differs or is unknown, in two columns; none for None."""
    if changes is None:
        return []
    before: tuple[tuple[str, Iterable[str]], ...] = (
        ("image", _images(changes.image)),
        ("source", _images(changes.source)),
        ("commits", _commits(changes.commits)),
        ("packages", _packages(changes.packages)),
        ("inputs", _inputs(changes.inputs)),
    )
    after = (("size", _size(changes.size)), ("cost", _extra(changes.extra)))
    return [
        *_rows(before, width),
        *input_lines(changes.inputs.changed, width),
        *_rows(after, width),
    ]


def _rows(parts: Iterable[tuple[str, Iterable[str]]], width: int) -> Iterator[str]:
    for name, lines in parts:
        yield from _column(name, _folded(lines, width))


def same_text(changes: Changes) -> list[str]:
    """Return a line that names the compared parts of two images that are equal, if any."""
    source, commits, packages = changes.source, changes.commits, changes.packages
    is_same = {
        "source image": bool(source.before and source.before.id) and not source.differs,
        "commit": bool(commits.before) and commits.before == commits.after and not commits.dirty,
        "packages": not packages.total and not packages.unknown,
    }
    names = [name for name, same in is_same.items() if same]
    return list(_column("same", [", ".join(names)])) if names else []


def summary_text(changes: Changes | None) -> str:
    """Return what differs in one printable line, empty if nothing is known to differ."""
    return one_line(summary(changes)) if changes else ""


def changes_document(changes: Changes | None) -> dict[str, Any] | None:
    """Return what a release brings for a program; None if it was not recorded."""
    return {"summary": summary(changes), **_plain(asdict(changes))} if changes else None


def _plain(value: Any) -> Any:
    """Return data with null for each empty text, as in every other document."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if value == "" else value


def _folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """Yield the lines in the column; a long one continues below itself."""
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        for part in wrapped(line.strip(), width - _INDENT - len(indent), 0).split("\n"):
            yield indent + part


def _column(name: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else name:<{_INDENT}}{line}"


def _inputs(change: InputChanges) -> list[str]:
    return [f"unknown: {one_line(change.unknown)}"] if change.unknown else []


def _images(change: ImageChange) -> Iterator[str]:
    if change.differs or (change.after and not change.before):
        sides = [each for each in (change.before, change.after) if each]
        yield " -> ".join(map(_image, sides))
    if change.unknown:
        yield f"unknown: {one_line(change.unknown)}"


def _image(image: ComparedImage) -> str:
    name = image.version or image.name
    facts = (name, image.created[:10], "quarantined" if image.quarantined else "")
    known = ", ".join(one_line(each, 60) for each in facts if each)
    return f"{one_line(image.id)} ({known})" if known else one_line(image.id)


def _commits(change: CommitChange) -> Iterator[str]:
    counts = [
        f"{len(each)} {word}"
        for each, word in ((change.added, "new"), (change.removed, "removed"))
        if each
    ]
    if counts:
        more = f", {change.more:,} more not listed" if change.more else ""
        yield f"{', '.join(counts)}{more}"
        yield from _listed(change.added, "+")
        yield from _listed(change.removed, "-")
    elif change.before and change.after and change.before != change.after:
        yield f"{change.before[:7]} -> {change.after[:7]}"
    if change.link:
        yield one_line(change.link)
    if change.dirty:
        yield "the new image has changes that were not committed"
    if change.unknown:
        yield f"unknown: {one_line(change.unknown)}"


def _listed(commits: Sequence[ListedCommit], sign: str) -> Iterator[str]:
    for each in commits[:SHOWN]:
        author = f" ({one_line(each.author, 30)})" if each.author else ""
        yield f"  {sign} {each.id[:7]} {one_line(each.subject, 72)}{author}"
    if len(commits) > SHOWN:
        yield f"  ... {len(commits) - SHOWN} more"


def _packages(change: PackageChanges) -> Iterator[str]:
    kinds = {
        "upgraded": change.upgraded,
        "downgraded": change.downgraded,
        "added": change.added,
        "removed": change.removed,
    }
    counts = [f"{len(each)} {name}" for name, each in kinds.items() if each]
    if counts:
        yield ", ".join(counts) + (f", {change.more:,} more not listed" if change.more else "")
    rows = [
        *(f"  {one_line(each.name)} {one_line(versions(each))}" for each in change.upgraded),
        *(f"  {one_line(each.name)} {one_line(versions(each))}" for each in change.downgraded),
        *(f"  + {one_line(each.name)} {one_line(each.version)}" for each in change.added),
        *(f"  - {one_line(each.name)} {one_line(each.version)}" for each in change.removed),
    ]
    yield from rows[:SHOWN]
    if len(rows) > SHOWN:
        yield f"  ... {len(rows) - SHOWN} more"
    if change.unknown:
        yield f"unknown: {one_line(change.unknown)}"


def _size(change: SizeChange) -> Iterator[str]:
    if change.after and change.before != change.after and not change.unknown:
        sides = [_group(each) for each in (change.before, change.after) if each]
        yield " -> ".join(sides)
    if change.unknown:
        yield f"unknown: {one_line(change.unknown)}"


def _group(size: GroupSize) -> str:
    kind = f" {one_line(size.instance_type)}" if size.instance_type else ""
    return f"{size.desired}{kind} ({size.minimum} to {size.maximum})"


def _extra(extra: ExtraHours) -> Iterator[str]:
    parts = []
    if extra.deployment:
        parts.append(f"{_hours(extra.deployment)} for the deployment")
    if extra.warm:
        parts.append(f"{_hours(extra.warm)} while the old group stays warm")
    if extra.stays:
        parts.append(f"{extra.stays} an hour until {extra.until}")
    if parts:
        unknown = f" ({extra.unknown})" if extra.unknown else ""
        yield f"extra instance-hours: {', '.join(parts)}{unknown}"


def _hours(hours: float) -> str:
    return f"{hours:.2f}" if hours < 1 else f"{hours:,.1f}".removesuffix(".0")


def input_lines(changes: Sequence[InputChange], width: int) -> list[str]:
    """Return each input that differs, before and after; a text of several lines as a diff."""
    return list(_column("inputs", (line for each in changes for line in _input(each, width))))


def inputs_document(changes: Sequence[InputChange]) -> list[dict[str, Any]]:
    """Return the inputs that differ, for a program."""
    return [{"name": each.name, "before": each.before, "after": each.after} for each in changes]


def _input(change: InputChange, width: int) -> list[str]:
    name, before, after = one_line(change.name), change.before, change.after
    if is_digest(change.name):
        return [f"{name}: changed"]
    if any(isinstance(each, str) and "\n" in each for each in (before, after)):
        import difflib

        old, new = (str(each or "").splitlines() for each in (before, after))
        lines = list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]
        return [f"{name}:", *(f"  {line[:1]}{one_line(line[1:])}" for line in lines)]
    return [wrapped(f"{name}: {_value(before)} -> {_value(after)}", width, _INDENT)]


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
