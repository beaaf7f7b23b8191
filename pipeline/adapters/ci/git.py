"""Read the working tree's commit from git: the default version and the facts of a bake.

Git may be missing and the folder need not be a repository; neither is an error.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.adapters.process.process import Command, capture
from pipeline.core.bake.model import Commit

_TIMEOUT = 30.0
_UNUSABLE = re.compile(r"[^A-Za-z0-9._+-]+")


def read_commit(folder: Path, environ: Mapping[str, str], outputs: tuple[Path, ...] = ()) -> Commit:
    """Return the commit of `folder`; an empty Commit outside a repository or without git.

    Changes in `outputs`, which a bake writes, do not count: they must not make the next bake
    appear changed.
    """
    git = _git_in(folder, environ)
    head = git("rev-parse", "--verify", "HEAD")
    if head is None:
        return Commit()
    described = (git("describe", "--tags", "--always") or b"").decode("utf-8", "replace").strip()
    excluded = (f":(exclude,literal){path}" for path in outputs if _is_inside(path, git))
    diff = ("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--", ":/", *excluded)
    changes = git(*diff) or b""
    digest = hashlib.sha256(changes).hexdigest() if changes else ""
    return Commit(
        describe=as_version(f"{described}-dirty" if changes else described),
        id=head.decode().strip(),
        changes=digest,
    )


def read_ignored(folder: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files and folders below `folder` that git itself ignores, tracked ones never."""
    listing = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    found = _git_in(folder, environ)(*listing, "--", ".") if folder.is_dir() else b""
    names = (os.fsdecode(name).rstrip("/") for name in (found or b"").split(b"\0"))
    return tuple(folder / name for name in names if name)


def _git_in(folder: Path, environ: Mapping[str, str]) -> Callable[..., bytes | None]:
    """Return a function that runs git in a folder; None stands for a failure."""

    def git(*arguments: str) -> bytes | None:
        argv = ["git", "-c", "core.fsmonitor=false", *arguments]
        env = {**environ, "GIT_OPTIONAL_LOCKS": "0"}
        try:
            command = Command(argv=argv, cwd=folder, env=env)
            code, output = capture(command, timeout=_TIMEOUT, errors=False)
        except (OSError, TimeoutError):
            return None
        return output if code == 0 else None

    return git


def _is_inside(path: Path, git: Callable[..., bytes | None]) -> bool:
    """Return True if a path is in the working tree: git rejects a pathspec outside it."""
    top = (git("rev-parse", "--show-toplevel") or b"").decode("utf-8", "surrogateescape").strip()
    return path.is_relative_to(top)


def as_version(described: str) -> str:
    """Return a tag's name as a version; each invalid character becomes a dash."""
    single = re.sub(r"\.{2,}", ".", _UNUSABLE.sub("-", described))
    return single.lstrip(".-_+")[:64]
