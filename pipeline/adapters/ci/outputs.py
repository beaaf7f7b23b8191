"""Write the result of a run: tfvars for Terraform, outputs and a summary for the CI system.

Every value is encoded as JSON or checked character by character, so that text of a template or a
provisioner cannot become a variable, a second line or a workflow command.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.core.bake.model import BakeOrigin, BakeResult
from pipeline.core.errors import NeedsAttentionError, RefusedError
from pipeline.core.times import format_duration

_SAFE = re.compile(r"[A-Za-z0-9 ()\[\]'._+:/@-]*")


def require_writable(where: str, path: Path) -> None:
    """Raise RefusedError if a result file cannot be written; called before a bake starts."""
    folder = next(parent for parent in path.parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise RefusedError(
            f"{where} {path}",
            "is a folder" if path.is_dir() else f"{folder} is not writable for you",
            "make it writable, or name another file",
        )


def write_tfvars(path: Path, result: BakeResult) -> None:
    """Write `ami_id`, `ami_ids`, `app` and `version` as a tfvars file, atomically, mode 0644.

    `ami_ids_by_architecture` has the ids of each, if the bake made several images.
    `app_version` repeats the version: a module cannot declare `version`, which Terraform reserves
    (docs/development/surprises.md). Raises NeedsAttentionError, or RefusedError if this run baked
    no image.
    """
    image = result.image
    values = {
        "ami_id": image.id,
        "ami_ids": dict(image.ids),
        "app": image.app,
        "version": image.version,
        "app_version": image.version,
    }
    if result.others:
        values["ami_ids_by_architecture"] = {
            each.architecture: dict(each.ids) for each in result.images
        }
    with _translating(f"[bake] tfvars {path}", result):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(values, indent=2).encode() + b"\n", mode=0o644)


@contextmanager
def _translating(where: str, result: BakeResult) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = RefusedError if result.origin is BakeOrigin.UNCHANGED else NeedsAttentionError
        raise kind(
            where,
            error.strerror or str(error),
            f"make it writable, then run the command again: it will reuse image {result.image.id}",
        ) from error


def write_ci(result: BakeResult, environ: Mapping[str, str], dotenv: Path | None) -> None:
    """Write GitHub's output and step summary if their variables are set, and a dotenv file.

    Sources: GitHub docs, "Workflow commands" (environment files, job summaries);
    GitLab docs, `artifacts:reports:dotenv`. Raises as `write_tfvars` does.
    """
    image = result.image
    pairs = {"ami_id": image.id, "image_name": image.name, "version": image.version}
    if result.others:
        pairs |= {f"ami_id_{each.architecture}": each.id for each in result.images}
    if output := environ.get("GITHUB_OUTPUT"):
        with _translating(f"GITHUB_OUTPUT {output}", result):
            _append(Path(output), "".join(f"{key}={_require_safe(pairs[key])}\n" for key in pairs))
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        with _translating(f"GITHUB_STEP_SUMMARY {summary}", result):
            _append(Path(summary), _summary(result))
    if dotenv is not None:
        lines = "".join(f"{key.upper()}={_require_safe(pairs[key])}\n" for key in pairs)
        with _translating(f"[bake] dotenv {dotenv}", result):
            _make_folder(dotenv)
            write_atomically(dotenv, lines.encode(), mode=0o644)


def write_deployment_ci(
    pairs: Mapping[str, str], summary: str, environ: Mapping[str, str], dotenv: Path | None
) -> tuple[str, ...]:
    """Write a deployment's outputs and its summary as `write_ci` does; `summary` is Markdown.

    Returns a line for each file that could not be written. Nothing is raised: the deployment has
    ended, and the exit code gives its outcome. `require_writable` checks the files before.
    """
    unsafe = [key for key in pairs if not _SAFE.fullmatch(pairs[key])]
    safe = {key: "" if key in unsafe else pairs[key] for key in pairs}
    lines = "".join(f"{key}={safe[key]}\n" for key in safe)
    dotenv_lines = "".join(f"{key.upper()}={safe[key]}\n" for key in safe)
    return tuple(
        problem
        for problem in (
            f"no output {', '.join(unsafe)}: the value has unsafe characters" if unsafe else "",
            _write("GITHUB_OUTPUT", environ.get("GITHUB_OUTPUT"), lines),
            _write("GITHUB_STEP_SUMMARY", environ.get("GITHUB_STEP_SUMMARY"), summary),
            _write("dotenv", dotenv, dotenv_lines),
        )
        if problem
    )


def _write(what: str, path: str | Path | None, text: str) -> str:
    if not path:
        return ""
    try:
        if isinstance(path, Path):
            _make_folder(path)
            write_atomically(path, text.encode(), mode=0o644)
        else:
            _append(Path(path), text)
    except OSError as error:
        return f"{what} {path} was not written: {error.strerror or error}"
    return ""


def _make_folder(path: Path) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)


def _append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _require_safe(value: str) -> str:
    """Return a value that cannot end its line; every value of a bake is validated earlier."""
    if not _SAFE.fullmatch(value):
        raise ValueError(f"unsafe characters: {value!r}")
    return value


def _summary(result: BakeResult) -> str:
    image = result.image
    rows = [
        ("app", image.app),
        ("version", image.version),
        ("name", image.name),
        *((region, ami) for region, ami in image.ids.items()),
        ("source", image.source_ami),
        ("origin", f"{result.origin} in {format_duration(result.seconds)}"),
    ]
    table = "".join(f"| {name} | `{value}` |\n" for name, value in rows if value)
    return f"### Image {image.id}\n\n| | |\n|---|---|\n{table}\n"
