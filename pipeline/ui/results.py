"""Render the results of commands: as text for people, as plain data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.bake.model import BakeResult
from pipeline.core.errors import PipelineError
from pipeline.core.image import Image, Usage
from pipeline.core.terraform.root_module import Root, RootResult
from pipeline.core.times import format_duration
from pipeline.ui.text import age, one_line, table

_ORIGINS = {
    "baked": "baked",
    "unchanged": "unchanged since an earlier bake",
    "adopted": "adopted from an interrupted bake",
}


def as_json(document: Any) -> str:
    """Return one JSON document, with its keys in the given order.

    A CI runner executes `##[command]` anywhere in a line, so it is escaped; only strings hold it.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return text.replace("##[", "#\\u0023[").replace("##vso[", "#\\u0023vso[")


def bake_text(result: BakeResult) -> str:
    """Return the result of a bake: the ids and their origin."""
    image = result.image
    rows = [
        *(row for each in result.images for row in _ids(each, named=bool(result.others))),
        *(("name", each.name) for each in result.images),
        ("version", image.version),
        ("source", image.source_ami),
        ("origin", f"{_ORIGINS[result.origin]}, {format_duration(result.seconds)}"),
    ]
    return "\n".join(f"{name:<10} {one_line(value)}".rstrip() for name, value in rows if value)


def _ids(image: Image, *, named: bool) -> Iterator[tuple[str, str]]:
    """Yield an image and its copies; `named` adds the architecture."""
    of = f" ({image.architecture})" if named else ""
    yield "image", f"{image.id}{of}"
    yield from (
        (region, f"{ami}{of}") for region, ami in image.ids.items() if region != image.region
    )


def bake_document(result: BakeResult) -> dict[str, Any]:
    """Return the result of a bake for a program."""
    return {
        **image_document(result.image),
        "others": [image_document(each) for each in result.others],
        "origin": str(result.origin),
        "seconds": round(result.seconds, 3),
        "log": str(result.log) if result.log else None,
    }


def image_document(image: Image) -> dict[str, Any]:
    """Return an image for a program."""
    return {
        "ami_id": image.id,
        "ami_ids": dict(image.ids),
        "name": image.name,
        "app": image.app,
        "environment": image.environment,
        "version": image.version,
        "architecture": image.architecture,
        "region": image.region,
        "source_ami": image.source_ami,
        "fingerprint": image.fingerprint,
        "created": image.created,
        "commit": image.commit,
        "dirty": image.dirty,
        "baked_by": image.baked_by,
        "status": str(image.status),
    }


Listed = Sequence[tuple[Image, Sequence[Usage]]]


def images_text(images: Listed, now: datetime, keep: int) -> str:
    """Return the images as a table, newest first; with their architectures if they differ."""
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
            str(image.status),
            _uses(uses),
        )
        for image, uses in images
    ]
    good = _good(images)
    alike = [[e for e in good if e[0].architecture == name] for name in _architectures(good)]
    spare = sum(1 for each in alike for _, uses in each[keep:] if not uses)
    note = f"\n\n{spare} unused and older than the newest {keep}" if spare else ""
    return "\n".join(table(rows)) + note


_HEADINGS = ("AGE", "SOURCE", "STATUS", "USED BY")


def _architectures(images: Listed) -> list[str]:
    return sorted({image.architecture for image, _ in images})


def images_document(images: Listed) -> dict[str, Any]:
    """Return the images for a program."""
    return {
        "images": [
            {
                **image_document(image),
                "used_by": [{"kind": usage.kind, "name": usage.name} for usage in uses],
            }
            for image, uses in images
        ]
    }


def root_text(result: RootResult) -> str:
    """Return the files of a root module, its module and the size of a first release."""
    root, size = result.root, result.size
    amount = f"{size.desired} (minimum {size.minimum}, maximum {size.maximum})"
    rows = [
        ("folder", str(root.folder)),
        ("files", ", ".join(path.name for path in result.files)),
        ("module", str(root.module)),
        ("state", _state(root)),
        ("size", f"{size.instance_type}, {amount}"),
        ("checked", f"{result.checked_by} accepts it" if result.checked_by else ""),
    ]
    return "\n".join(f"{name:<10} {one_line(value)}" for name, value in rows if value)


def root_document(result: RootResult) -> dict[str, Any]:
    """Return a root module for a program."""
    root, size = result.root, result.size
    return {
        "environment": root.environment,
        "folder": str(root.folder),
        "files": [str(path) for path in result.files],
        "module": str(root.module),
        "state": _state(root),
        "size": {
            "instance_type": size.instance_type,
            "min_size": size.minimum,
            "max_size": size.maximum,
            "desired_capacity": size.desired,
        },
        "checked_by": result.checked_by or None,
    }


def _state(root: Root) -> str:
    if root.bucket:
        return f"s3://{root.bucket.name}/{root.bucket.key}"
    return str(root.folder / "terraform.tfstate")


def error_document(error: PipelineError) -> dict[str, Any]:
    """Return an error for a program: its three parts and its exit code."""
    return {
        "error": {
            "kind": type(error).__name__,
            "where": error.where,
            "what": error.what,
            "next": error.remedy,
            "exit_code": error.exit_code,
        }
    }


def _good(images: Listed) -> list[tuple[Image, Sequence[Usage]]]:
    return [(image, uses) for image, uses in images if image.status == "good"]


def _uses(uses: Sequence[Usage]) -> str:
    names = [f"{usage.kind} {usage.name}" for usage in uses[:3]]
    more = [f"and {len(uses) - 3} more"] if len(uses) > 3 else []  # noqa: PLR2004 - three fit
    return ", ".join([*names, *more]) or "-"
