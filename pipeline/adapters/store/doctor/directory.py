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
from pipeline.core import commands
from pipeline.core.doctor import Check, Grade, check_file_system

MOUNTS = Path("/proc/mounts")
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
    """Check that git ignores the state."""
    repository = next((each for each in folder.parents if (each / ".git").exists()), None)
    if repository is None:
        return Check(name="git", what="the directory is not in a repository")
    ignore = folder / ".gitignore"
    if not folder.exists() or (
        ignore.is_file() and "*" in ignore.read_text(errors="replace").split()
    ):
        return Check(name="git", what="ignores the directory")
    name = os.fspath(folder.relative_to(repository))
    untrack = commands.shell("git", "rm", "-r", "--cached", name)
    remedy = f"{commands.ignore_in_git(folder)}; if git already tracks it: {untrack}"
    what = f"does not ignore {name}: state would be committed"
    return Check(name="git", what=what, grade=Grade.ADVICE, remedy=remedy)
