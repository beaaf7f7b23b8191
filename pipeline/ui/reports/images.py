"""Render the baked images: as a list, as a tree of what was built on what, and one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.changes.lineage import ImageReport, Lineage, LineageReport
from pipeline.core.changes.model import ComparedImage, ImageContents
from pipeline.core.image import Image, Usage
from pipeline.ui import icons
from pipeline.ui.results import image_document
from pipeline.ui.text import age, fitted, one_line, table, wrapped

NO_LINEAGE = Lineage()
Listed = Sequence[tuple[Image, Sequence[Usage]]]


def images_text(
    images: Listed,
    now: datetime,
    keep: int,
    lineage: Lineage = NO_LINEAGE,
    width: int | None = None,
) -> str:
    """Return the images as a table, newest first; with their architectures if they differ.

    `lineage` marks those that are built on a quarantined image. None is any width.
    """
    if not images:
        return f"no images yet\nnext: {commands.bake()}"
    differ = len({image.architecture for image, _ in images} - {""}) > 1
    rows = [("IMAGE", "VERSION", *(["ARCH"] if differ else []), *_HEADINGS)]
    rows += [
        (
            image.id or "-",
            one_line(image.version, 32) or "-",
            *([image.architecture or "-"] if differ else []),
            age(image.created, now),
            image.source_ami or "-",
            _status(image, lineage),
            _uses(uses),
        )
        for image, uses in images
    ]
    good = _good(images)
    alike = [[e for e in good if e[0].architecture == name] for name in _architectures(good)]
    spare = sum(1 for each in alike for _, uses in each[keep:] if not uses)
    note = f"\n\n{spare} unused and older than the newest {keep}" if spare else ""
    return "\n".join(fitted(rows, width, ("USED BY", "SOURCE", "STATUS"))) + note


def _status(image: Image, lineage: Lineage) -> str:
    base = lineage.quarantined_base(image)
    return f"{image.status}, on quarantined {base.id}" if base else str(image.status)


_HEADINGS = ("AGE", "SOURCE", "STATUS", "USED BY")


def _architectures(images: Listed) -> list[str]:
    return sorted({image.architecture for image, _ in images})


def images_document(images: Listed, lineage: Lineage = NO_LINEAGE) -> dict[str, Any]:
    """Return the images for a program."""
    return {"images": [_document(image, uses, lineage) for image, uses in images]}


def _document(image: Image, uses: Sequence[Usage], lineage: Lineage) -> dict[str, Any]:
    base, quarantined = lineage.base(image), lineage.quarantined_base(image)
    return {
        **image_document(image),
        "base": base.id if base else None,
        "quarantined_base": quarantined.id if quarantined else None,
        "used_by": [_use_document(each) for each in uses],
    }


def _use_document(usage: Usage) -> dict[str, str]:
    return {"kind": usage.kind, "name": usage.name}


def tree_text(report: LineageReport, now: datetime, width: int | None = None) -> str:
    """Return what was built on what, as a tree: the images of others, then those of every app."""
    lines: list[_Branch] = []
    roots = report.lineage.roots(report.app)
    if not roots:
        return f"no images yet\nnext: {commands.bake()}"
    for source in dict.fromkeys(root.source_ami for root in roots):
        lines.append(_source_row(report.sources.get(source, ComparedImage(id=source)), now))
        below = [root for root in roots if root.source_ami == source]
        lines += _branches(report, below, "", now)
    rows = [("IMAGE", "APP", "VERSION", "AGE", "STATUS", "USED BY", "NAME")]
    rows += [each.row for each in lines]
    folds = ("NAME", "USED BY", "STATUS")
    return "\n".join(fitted(rows, width, folds, [each.beside for each in lines]))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Branch:
    """A row of the tree; `beside` are the lines of the tree beside what is below it."""

    row: tuple[str, str, str, str, str, str, str]
    beside: str = ""


def _source_row(source: ComparedImage, now: datetime) -> _Branch:
    name = one_line(source.name, 48) or "unknown source"
    created = age(source.created, now)
    return _Branch(row=(source.id or "-", "-", "-", created, "-", "-", name), beside=icons.BESIDE)


def _branches(
    report: LineageReport, images: Sequence[Image], beside: str, now: datetime
) -> Iterator[_Branch]:
    for number, image in enumerate(images, 1):
        last = number == len(images)
        begin, under = (icons.LAST, icons.BELOW) if last else (icons.BRANCH, icons.BESIDE)
        row = (
            f"{beside}{begin}{image.id or image.name}",
            one_line(image.app, 32),
            one_line(image.version, 32) or "-",
            age(image.created, now),
            _status(image, report.lineage),
            _uses(report.uses.get(image.id, ())),
            "",
        )
        built = report.lineage.built_directly_on(image)
        yield _Branch(row=row, beside=beside + under + (icons.BESIDE if built else ""))
        yield from _branches(report, built, beside + under, now)


def tree_document(report: LineageReport) -> dict[str, Any]:
    """Return the lines of images for a program: each image with the one that it is built on."""
    wanted = {each.id for each in report.lineage.roots(report.app)}
    lineage = report.lineage
    images = [each for each in lineage.images if lineage.first(each).id in wanted]
    return {
        "images": [_document(each, report.uses.get(each.id, ()), lineage) for each in images],
        "sources": [
            {"ami_id": each.id, "name": each.name or None, "created": each.created or None}
            for each in report.sources.values()
        ],
    }


def image_text(report: ImageReport, width: int = 100) -> str:
    """Return one image, and what runs it or an image that is built on it."""
    image = report.image
    rows = [
        ("image", image.id),
        ("name", image.name or report.seen.name),
        ("version", image.version),
        ("app", image.app if image.name else _foreign(report)),
        ("created", image.created or report.seen.created),
        ("status", _status(image, report.lineage) if image.name else ""),
        ("reason", image.reason),
        ("source", _source(report)),
        ("commit", f"{image.commit}{' and uncommitted changes' if image.dirty else ''}"),
        ("packages", _packages(report.contents) if image.name else ""),
    ]
    lines = [f"{name:<10} {wrapped(one_line(text), width, 11)}" for name, text in rows if text]
    return "\n".join([*lines, "", *_running(report)])


def _foreign(report: ImageReport) -> str:
    unknown = "" if report.seen.id else f"; EC2 shows no such image in {report.image.region}"
    return f"not baked by ami-pipeline{unknown}"


def _source(report: ImageReport) -> str:
    source, ami_id = report.contents.source, report.image.source_ami
    facts = ", ".join(each for each in (source.name, source.created[:10]) if each)
    return f"{ami_id} ({facts})" if facts and ami_id else ami_id


def _packages(contents: ImageContents) -> str:
    if contents.packages is None:
        return f"unknown: {contents.unknown}"
    return f"{len(contents.packages):,}"


def _running(report: ImageReport) -> list[str]:
    rows = [
        (usage.kind, one_line(usage.name), image.id, one_line(image.version, 32) or "-")
        for image in _with_descendants(report)
        for usage in report.uses.get(image.id, ())
    ]
    built = len(_with_descendants(report)) - 1
    also = f", nor one of the {built} built on it" if built else ""
    if not rows:
        return [f"nothing runs this image{also}"]
    return table([("USED BY", "NAME", "IMAGE", "VERSION"), *rows])


def _with_descendants(report: ImageReport) -> tuple[Image, ...]:
    return (report.image, *report.lineage.built_on(report.image.id))


def image_report_document(report: ImageReport) -> dict[str, Any]:
    """Return one image for a program, with the images that are built on it."""
    contents, lineage, image = report.contents, report.lineage, report.image
    packages = contents.packages
    return {
        **_document(image, report.uses.get(image.id, ()), lineage),
        "name": image.name or report.seen.name,
        "created": image.created or report.seen.created,
        "packages": None if packages is None else [asdict(each) for each in packages],
        "packages_unknown": contents.unknown or None,
        "descendants": [
            _document(each, report.uses.get(each.id, ()), lineage)
            for each in lineage.built_on(report.image.id)
        ],
    }


def _good(images: Listed) -> list[tuple[Image, Sequence[Usage]]]:
    return [(image, uses) for image, uses in images if image.status == "good"]


def _uses(uses: Sequence[Usage]) -> str:
    names = [f"{usage.kind} {usage.name}" for usage in uses[:3]]
    more = [f"and {len(uses) - 3} more"] if len(uses) > 3 else []  # noqa: PLR2004 - three fit
    return ", ".join([*names, *more]) or "-"
