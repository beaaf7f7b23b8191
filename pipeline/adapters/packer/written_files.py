"""Note the files that a bake writes beside its inputs, such as the manifest of a template.

They are no inputs: otherwise every bake would differ from the one before. A file counts again once
its content is another one than the bake left.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically

SKIPPED = frozenset({".git", ".terraform", "packer_cache", "__pycache__", ".ami-pipeline"})
"""Folders that are never an input."""
_NAME = "written.json"


def written_files(state: Path) -> tuple[Path, ...]:
    """Return the files that earlier bakes wrote and that have not been changed since."""
    return tuple(path for path, digest in _recorded(state).items() if _digest(path) == digest)


@contextmanager
def noting_writes(
    state: Path, roots: Sequence[Path], outputs: Iterable[Path], report: Callable[[Path], None]
) -> Iterator[None]:
    """Record the files below `roots` that are new or changed after the block; report new ones."""
    skipped = frozenset(outputs)
    before = _marks(roots, skipped)
    try:
        yield
    finally:
        changed = [
            path for path, mark in _marks(roots, skipped).items() if before.get(path) != mark
        ]
        known = _recorded(state)
        for path in (path for path in changed if path not in known):
            report(path)
        if changed:
            _record(state, {**known, **{path: _digest(path) for path in changed}})


def files_below(start: Path, outputs: frozenset[Path]) -> Iterator[Path]:
    """Yield the files of an input; a pipe or a socket has no content, and reading one would block.

    A file that is itself the input counts, also as an output.
    """
    if not start.is_dir():
        yield start
        return
    for folder, names, files in os.walk(start):
        names[:] = [n for n in names if n not in SKIPPED and Path(folder, n) not in outputs]
        for path in (Path(folder, name) for name in files):
            if path not in outputs and (path.is_symlink() or path.is_file()):
                yield path


def _marks(roots: Sequence[Path], outputs: frozenset[Path]) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for path in (path for root in roots for path in files_below(root, outputs)):
        try:
            status = path.stat(follow_symlinks=False)
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _recorded(state: Path) -> dict[Path, str]:
    try:
        content = json.loads((state / _NAME).read_bytes())
        return {Path(name): str(digest) for name, digest in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _record(state: Path, files: dict[Path, str]) -> None:
    there = {str(path): digest for path, digest in sorted(files.items()) if path.exists()}
    data = json.dumps({"files": there}, indent=2).encode() + b"\n"
    write_atomically(state / _NAME, data)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
