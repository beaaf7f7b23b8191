"""What git says of the working tree: the version's default and the facts of a bake.

Kept apart because git may be missing and the folder need not be a repository;
neither is an error here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.adapters.process import Command, capture
from pipeline.core.model import Commit

_TIMEOUT = 30.0
_OURS = (":(top,exclude,glob)**/ami.auto.tfvars.json", ":(top,exclude,glob)**/.ami-pipeline/**")
"""What a bake itself writes: it must not make the next bake look changed."""
_UNUSABLE = re.compile(r"[^A-Za-z0-9._+-]+")


def read_commit(folder: Path, environ: Mapping[str, str]) -> Commit:
    """Return what git says of `folder`; an empty Commit outside a repository or without git."""

    def git(*arguments: str) -> bytes | None:
        argv = ["git", "-c", "core.fsmonitor=false", *arguments]
        env = {**environ, "GIT_OPTIONAL_LOCKS": "0"}
        try:
            code, output = capture(Command(argv=argv, cwd=folder, env=env), timeout=_TIMEOUT)
        except (OSError, TimeoutError):
            return None
        return output if code == 0 else None

    head = git("rev-parse", "--verify", "HEAD")
    if head is None:
        return Commit()
    described = (git("describe", "--tags", "--always") or b"").decode("utf-8", "replace").strip()
    changes = git("diff", "HEAD", "--binary", "--", ":/", *_OURS) or b""
    digest = hashlib.sha256(changes).hexdigest() if changes else ""
    return Commit(
        describe=as_version(f"{described}-dirty" if changes else described),
        id=head.decode().strip(),
        changes=digest,
    )


def as_version(described: str) -> str:
    """Return a tag's name as a version: what a version may not hold becomes a dash."""
    single = re.sub(r"\.{2,}", ".", _UNUSABLE.sub("-", described))
    return single.lstrip(".-_+")[:64]
