"""Remove what a killed cloud left behind: processes, mounts, files.

Runs at the start of every `up` and at the end of every `down`. A cloud that ends normally leaves
nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.instances import processes
from local_cloud.state_dir import MARKER

if TYPE_CHECKING:
    from local_cloud.state_dir import StateDir

WITH_SUBORDINATE_USERS = ("unshare", "--user", "--map-root-user", "--map-auto")
"""The words before a command that may be and own what a user's subordinate ids stand for."""


def reap(home: StateDir, *, keep_lock: bool) -> int:
    """Clean `home`, whose lock the caller holds; return the number of processes ended."""
    ended = end_processes(home)
    for mount in mounts_below(home.instances, Path("/proc/self/mountinfo").read_text()):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)  # noqa: S607  util-linux is found on PATH as by a user
    empty(home, keep_lock=keep_lock)
    return ended


def end_processes(home: StateDir) -> int:
    """Kill every process with this home's marker or with its root below this home."""
    marker = f"{MARKER}={home.path}"
    prefix = f"{home.instances}/"

    def is_of_cloud(pid: int) -> bool:
        return processes.has_entry(pid, marker) or processes.link(pid, "root").startswith(prefix)

    return processes.end_all(is_of_cloud)


def mounts_below(path: Path, mountinfo: str) -> list[str]:
    """Return the mount points below `path`, innermost first."""
    points = [line.split()[4] for line in mountinfo.splitlines()]
    return sorted((p for p in points if p.startswith(f"{path}/")), reverse=True)


def empty(home: StateDir, *, keep_lock: bool) -> None:
    """Delete what a cloud made in `home`, and `home` itself unless its lock is kept.

    Anything else in that folder stays, and so does the folder.
    """
    for entry in home.own:
        if entry == home.lock_file:
            continue
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            entry.unlink(missing_ok=True)
    if not keep_lock:
        home.lock_file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the next `up` may have started already
            home.path.rmdir()


def remove_tree(path: Path) -> None:
    """Delete a directory, even if its modes forbid that to its owner."""
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    for folder in [path, *path.rglob("*")]:
        if folder.is_dir() and not folder.is_symlink():
            with contextlib.suppress(PermissionError):
                folder.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists() and os.geteuid() != 0:
        words = [*WITH_SUBORDINATE_USERS, "rm", "-rf", "--", str(path)]
        subprocess.run(words, check=False, capture_output=True)
