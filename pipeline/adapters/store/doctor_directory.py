"""What `doctor` looks at where state is in a directory: whether writing there is safe enough.

It tries in the directory itself, or in the nearest folder there is, and leaves nothing there.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.core.doctor import Check, Grade, check_file_system

MOUNTS = Path("/proc/mounts")
_ANOTHER = "name another directory as [state] url in pipeline.toml"


def directory_checks(folder: Path, mounts: Path = MOUNTS) -> Iterator[Check]:
    """Look at everything; where nothing can be written, only at what that stands on."""
    folder = folder.absolute()
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".ami-pipeline-doctor-", dir=there) as probe:
            made = folder if there == folder else f"{folder} can be made"
            yield Check(name="directory", what=f"{made}, writable")
            yield _locking(Path(probe) / "lock")
            yield _writing(Path(probe) / "file")
    except OSError as error:
        what = f"{folder} is not writable: {error.strerror}"
        remedy = f"make {there} writable for you, or {_ANOTHER}"
        yield Check(name="directory", what=what, grade=Grade.PROBLEM, remedy=remedy)
    kind, options = mounted(there.resolve(), mounts)
    yield check_file_system(kind, options)
    yield _ignored(folder)


def _locking(path: Path) -> Check:
    """Lock a file twice: the second must be refused."""
    try:
        with path.open("w") as first, path.open("w") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Check(name="locks", what="a file that is locked is locked for others")
    except OSError as error:
        what = f"a file cannot be locked: {error.strerror}"
        return Check(name="locks", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)
    what = "a file can be locked twice at once: two runs could write over each other"
    return Check(name="locks", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)


def _writing(path: Path) -> Check:
    """Write a file and write over it, as the store does."""
    try:
        for data in (b"one", b"two"):
            write_atomically(path, data)
        if path.read_bytes() == b"two" and not list(path.parent.glob(".file.*")):
            return Check(name="writes", what="are by rename, and synced")
        what = "a file that was renamed over another is not what is read"
    except OSError as error:
        what = f"a file cannot be renamed over another, or not be synced: {error.strerror}"
    return Check(name="writes", what=what, grade=Grade.PROBLEM, remedy=_ANOTHER)


def mounted(folder: Path, mounts: Path = MOUNTS) -> tuple[str, tuple[str, ...]]:
    """Return type and options of the file system that a folder is on; empty where nobody tells.

    A mount over another comes later in the list (proc(5)).
    """
    try:
        lines = mounts.read_text().splitlines()
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
    r"""Return a mount point as it is called: blanks stand as `\040` (getmntent(3))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _ignored(folder: Path) -> Check:
    """Return whether git leaves the state alone, which is no source."""
    repository = next((each for each in folder.parents if (each / ".git").exists()), None)
    if repository is None:
        return Check(name="git", what="the directory is in no repository")
    told = folder / ".gitignore"
    if not folder.exists() or (told.is_file() and "*" in told.read_text().split()):
        return Check(name="git", what="leaves the directory alone")
    name = os.fspath(folder.relative_to(repository))
    remedy = f"echo '*' > {told}; what is in git already: git rm -r --cached {name}"
    what = f"does not ignore {name}: state would be committed"
    return Check(name="git", what=what, grade=Grade.ADVICE, remedy=remedy)
