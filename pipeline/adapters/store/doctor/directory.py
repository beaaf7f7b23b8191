"""Check the directory of a store for `doctor`: writes, locks, file system, git.

The checks write to the directory, or to its nearest existing parent, and leave nothing there.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.process.process import Command, capture
from pipeline.core import commands
from pipeline.core.doctor import Check, Grade, check_file_system

MOUNTS = Path("/proc/mounts")
_PATIENCE = 30.0
"""Seconds for an answer of git."""
_ANOTHER = "name another directory as [state] url in pipeline.toml"


def directory_checks(folder: Path, mounts: Path = MOUNTS) -> Iterator[Check]:
    """Yield each check; without write access only those of the file system and of git."""
    folder = folder.absolute()
    existing = next(each for each in (folder, *folder.parents) if each.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".ami-pipeline-doctor-", dir=existing) as probe:
            name = folder if existing == folder else f"{folder} can be created"
            yield Check(name="directory", what=f"{name}, writable")
            yield _locking(Path(probe) / "lock")
            yield _writing(Path(probe) / "file")
    except OSError as error:
        what = f"{folder} is not writable: {error.strerror}"
        remedy = f"make {existing} writable for you, or {_ANOTHER}"
        yield Check(name="directory", what=what, grade=Grade.PROBLEM, remedy=remedy)
    kind, options = mounted(existing.resolve(), mounts)
    yield check_file_system(kind, options)
    yield _ignored(folder)


def _locking(path: Path) -> Check:
    """Lock a file twice: the second lock must fail."""
    try:
        with path.open("w") as first, path.open("w") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Check(name="locks", what="a locked file is locked for others")
    except OSError as error:
        what = f"a file cannot be locked: {error.strerror}"
        return Check(name="locks", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)
    what = "a file can be locked twice: two runs could overwrite each other's changes"
    return Check(name="locks", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)


def _writing(path: Path) -> Check:
    """Write a file and replace it, as the store does."""
    try:
        for data in (b"one", b"two"):
            write_atomically(path, data)
        if path.read_bytes() == b"two" and not list(path.parent.glob(".file.*")):
            return Check(name="writes", what="by rename, synced to the disk")
        what = "a replaced file still has its old content"
    except OSError as error:
        what = f"a file cannot be replaced or synced: {error.strerror}"
    return Check(name="writes", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)


def mounted(folder: Path, mounts: Path = MOUNTS) -> tuple[str, tuple[str, ...]]:
    """Return type and mount options of a folder's file system; empty if unknown.

    A mount over another one comes later in the list (proc(5)).
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return "", ()
    best: tuple[int, str, tuple[str, ...]] = (-1, "", ())
    for line in lines:
        _, place, kind, options, *_ = [*line.split(" "), "", "", "", ""]
        point = Path(_unescaped(place))
        if (folder == point or point in folder.parents) and len(point.parts) >= best[0]:
            best = len(point.parts), kind, tuple(options.split(","))
    return best[1], best[2]


def _unescaped(text: str) -> str:
    r"""Return a mount point with its blanks, written as `\040` in the list (getmntent(3))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _ignored(folder: Path) -> Check:
    """Check that git ignores the state, and tracks no file of it: git itself says so."""
    existing = next(each for each in (folder, *folder.parents) if each.is_dir())
    top, said = _git(existing, "rev-parse", "--show-toplevel")
    if top is None or (top and "not a git repository" in said):
        return Check(name="git", what="the directory is not in a repository")
    if top:
        what = f"cannot be asked about {folder}: {said.splitlines()[0] if said else f'exit {top}'}"
        return Check(
            name="git", what=what, grade=Grade.ADVICE, remedy=commands.shell("git", "status")
        )
    tracked = _git(existing, "ls-files", "--", os.fspath(folder))[1]
    # A new store ignores itself. A file in it decides: a pattern may name its folder.
    ignored = not folder.exists() or _git(existing, "check-ignore", "-q", f"{folder}/x")[0] == 0
    if ignored and not tracked:
        return Check(name="git", what="ignores the directory")
    untrack = commands.shell("git", "-C", os.fspath(existing), "rm", "-r", "--cached", ".")
    steps = [
        *([] if ignored else [commands.ignore_in_git(folder)]),
        *([untrack] if tracked else []),
    ]
    what = f"tracks files of {folder}" if tracked else f"does not ignore {folder}"
    return Check(
        name="git",
        what=f"{what}: state would be committed",
        grade=Grade.ADVICE,
        remedy=" && ".join(steps),
    )


def _git(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Return the exit code and the output of git in a folder; no code without git."""
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    argv = ["git", "-c", "core.fsmonitor=false", *arguments]
    try:
        code, output = capture(Command(argv=argv, cwd=folder, env=env), timeout=_PATIENCE)
    except (OSError, TimeoutError):
        return None, ""
    return code, output.decode("utf-8", "replace").strip()
