"""Render a prune: the plan with the reason for each image, and what was removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.pruning import Decision, PrunePlan, PruneReport
from pipeline.ui.results import image_document
from pipeline.ui.text import age, one_line, table

REMOVE = "remove"


def plan_text(plan: PrunePlan, now: datetime) -> str:
    """Return the plan as a table, newest first, and what it removes in total."""
    if not plan.decisions and not plan.snapshots:
        return f"no images yet\nnext: {commands.bake()}"
    rows = [("IMAGE", "VERSION", "AGE", "STATUS", "DECISION")]
    rows += [_row(each, now) for each in plan.decisions]
    lines = table(rows) if plan.decisions else []
    lines += [f"{each.id} in {each.region}: {REMOVE}, its image is gone" for each in plan.snapshots]
    return "\n".join([*lines, "", total(plan)])


def total(plan: PrunePlan) -> str:
    """Return in one line how much a plan removes and keeps."""
    images = sum(len(each.copies) for each in plan.removed)
    snapshots = sum(len(each.snapshots) for each in plan.removed) + len(plan.snapshots)
    if plan.is_empty:
        return f"nothing to remove: {len(plan.kept)} images stay"
    return f"to remove: {_amount(images, snapshots)}; {len(plan.kept)} images stay"


def plan_document(plan: PrunePlan) -> dict[str, Any]:
    """Return the plan for a program."""
    return {
        "remove": [_document(each) for each in plan.removed],
        "remove_snapshots": [{"id": each.id, "region": each.region} for each in plan.snapshots],
        "keep": [{**_document(each), "reasons": list(each.reasons)} for each in plan.kept],
    }


def report_text(report: PruneReport) -> str:
    """Return what was removed and what was left."""
    lines = [f"removed: {_amount(len(report.images), len(report.snapshots))}"]
    lines += [f"left: {one_line(each)}" for each in report.left]
    return "\n".join(lines)


def report_document(report: PruneReport) -> dict[str, Any]:
    """Return what was removed and what was left for a program."""
    return {
        "images": report.images,
        "snapshots": report.snapshots,
        "left": report.left,
        "errors": report.errors,
    }


def _row(decision: Decision, now: datetime) -> tuple[str, str, str, str, str]:
    image = decision.image
    ids = [each.id for each in decision.copies]
    return (
        ids[0],
        one_line(image.version, 32) or "-",
        age(image.created, now),
        str(image.status),
        "; ".join(_what(decision)),
    )


def _what(decision: Decision) -> Iterator[str]:
    """Yield what becomes of an image: the reasons to keep it, or what is removed with it."""
    if decision.reasons:
        yield f"keep: {one_line(decision.reasons[0], 200)}"
        yield from (one_line(each, 200) for each in decision.reasons[1:])
        return
    yield REMOVE
    yield from (f"its copy {each.id} in {each.region}" for each in decision.copies[1:])


def _document(decision: Decision) -> dict[str, Any]:
    image = image_document(decision.image)
    ids = {each.region: each.id for each in decision.copies}
    return {**image, "ami_ids": ids, "snapshots": list(decision.snapshots)}


def _amount(images: int, snapshots: int) -> str:
    def of(count: int, what: str) -> str:
        return f"{count} {what}{'' if count == 1 else 's'}"

    return f"{of(images, 'image')} and {of(snapshots, 'snapshot')}"
