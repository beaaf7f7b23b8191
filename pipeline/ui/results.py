"""Render the results of commands: as text for people, as plain data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.core.bake.model import BakeResult
from pipeline.core.errors import PipelineError
from pipeline.core.image import Image
from pipeline.core.terraform.root_module import Root, RootResult
from pipeline.core.times import format_duration
from pipeline.ui.text import one_line

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


def damaged_lines(damaged: Sequence[PipelineError]) -> list[str]:
    """Return what could not be read, each with the remedy; empty without any."""
    lines = (
        (f"left out: {one_line(each.where)}: {one_line(each.what)}", f"next: {each.remedy}")
        for each in damaged
    )
    return [line for pair in lines for line in ("", *pair)]


def damaged_documents(damaged: Sequence[PipelineError]) -> list[dict[str, str]]:
    """Return the same for a program."""
    return [{"where": each.where, "what": each.what, "next": each.remedy} for each in damaged]


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
