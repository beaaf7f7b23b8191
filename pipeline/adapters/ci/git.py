"""Read commits from git: the working tree's, for a bake, and those between two images.

Git may be missing and the folder need not be a repository; neither is an error.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.adapters.process.process import Command, capture
from pipeline.core.bake.model import Commit
from pipeline.core.changes.links import compare_link, is_commit
from pipeline.core.changes.model import MOST_LISTED, CommitChange, ListedCommit

_TIMEOUT = 30.0
_MOST_READ = 10_000
_FIELDS = 4
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


def read_commits(folder: Path, environ: Mapping[str, str], change: CommitChange) -> CommitChange:
    """Return the change with its commits, or with the reason why git does not list them.

    A link to compare them comes from the CI system's variables or from git's remote `origin`.
    """
    before, after = change.before, change.after
    if change.unknown or before == after:
        return change
    git = _git_in(folder, environ)
    remote = (git("remote", "get-url", "origin") or b"").decode("utf-8", "replace").strip()
    change = replace(change, link=compare_link(environ, remote, before, after))
    if unknown := _unreadable(git, (before, after)):
        return replace(change, unknown=unknown)
    added, removed = _between(git, before, after), _between(git, after, before)
    if added is None or removed is None:
        return replace(change, unknown="git log failed")
    return replace(
        change,
        added=added[:MOST_LISTED],
        removed=removed[:MOST_LISTED],
        more=sum(max(0, len(each) - MOST_LISTED) for each in (added, removed)),
    )


def _unreadable(git: Callable[..., bytes | None], ids: tuple[str, ...]) -> str:
    """Return why git cannot list the commits between these, empty if it can."""
    if not all(map(is_commit, ids)):
        return "a recorded commit is not the id of a commit"
    if git("rev-parse", "--git-dir") is None:
        return "git finds no repository here"
    missing = [each[:7] for each in ids if git("cat-file", "-e", f"{each}^{{commit}}") is None]
    if not missing:
        return ""
    shallow = git("rev-parse", "--is-shallow-repository") == b"true\n"
    hint = "; this clone is shallow: fetch all commits" if shallow else ""
    return f"this repository has no commit {' and no commit '.join(missing)}{hint}"


def _between(
    git: Callable[..., bytes | None], before: str, after: str
) -> tuple[ListedCommit, ...] | None:
    """Return the commits that only `after` has, newest first; None if git fails."""
    form = "--format=%H%x00%an%x00%aI%x00%s"
    options = ("-z", "--no-show-signature", "--encoding=UTF-8", f"--max-count={_MOST_READ}", form)
    out = git("log", *options, f"{before}..{after}", "--")
    if out is None:
        return None
    fields = out.decode("utf-8", "replace").split("\0")
    rows = zip(*(fields[each::_FIELDS] for each in range(_FIELDS)), strict=False)
    return tuple(
        ListedCommit(id=id_, author=author, date=date, subject=subject)
        for id_, author, date, subject in rows
    )


def _git_in(folder: Path, environ: Mapping[str, str]) -> Callable[..., bytes | None]:
    """Return a function that runs git in a folder; None stands for a failure."""

    def git(*arguments: str) -> bytes | None:
        argv = ["git", "-c", "core.fsmonitor=false", *arguments]
        env = {**environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
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
