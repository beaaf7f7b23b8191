"""Who runs this, and whether a process of this machine is still there.

The names are for people: in the lease, in the history, in the message of who waits. The
mark of a process is for the lease alone: it tells a run that was killed on this very
machine from one that lives.
"""

from __future__ import annotations

import getpass
import os
import socket
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Lease

_LONGEST = 300
_SPACES = (Path("/proc/self/ns/pid"), Path("/proc/self/ns/time"))
"""What a pid and a start time are counted in; Linux before 5.6 has no namespace of time."""
_START_TIME = 22 - 4
"""Field 22 of /proc/PID/stat, counted from the one behind the state: proc_pid_stat(5)."""


def runner(environ: Mapping[str, str]) -> Runner:
    """Return who runs this: the CI job's actor and address, or the user at this machine."""
    actor = environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or _user()
    return Runner(
        user=printable(actor),
        host=printable(socket.gethostname()),
        pid=os.getpid(),
        run=printable(_run(environ)),
    )


def printable(text: str) -> str:
    """Return the text without control and other invisible characters, and not endless."""
    shown = (char for char in text if not unicodedata.category(char).startswith(("C", "Zl", "Zp")))
    return "".join(shown)[:_LONGEST].strip()


def process_mark() -> str:
    """Return what no other process has: this kernel's boot, our namespaces, our start time.

    Empty where the system does not tell (there is no /proc on macOS).
    """
    return _mark(os.getpid())


def is_over(pid: int, mark: str) -> bool:
    """Whether the process with this mark is surely no more.

    Not sure, and so False, where it ran on another machine, before a reboot, in another
    container, or without a mark.
    """
    ours = process_mark()
    if not mark or not ours or mark.rpartition(" ")[0] != ours.rpartition(" ")[0]:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # Another user's: it lives, and its start time is what tells whether it is the one.
    now = _mark(pid)
    return bool(now) and now != mark


def left_nothing(lease: Lease, folder: Path) -> bool:
    """Whether a run is surely no more, nor what it started in a folder: on this machine only.

    What a program starts stays in its folder unless it leaves, as Terraform's providers do not.
    """
    if lease.owner.run or lease.owner.host != printable(socket.gethostname()):
        return False
    if not is_over(lease.owner.pid, lease.process):
        return False
    here = folder.resolve()
    return not any(_works_in(each, here) for each in Path("/proc").glob("[0-9]*"))


def _works_in(process: Path, folder: Path) -> bool:
    """Whether a process stands in the folder; another user's, of whom nobody is told, does not."""
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def _mark(pid: int) -> str:
    """Return boot, namespaces and start time; a zombie has the start time `over`."""
    proc = Path("/proc")
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        spaces = [str(each.readlink()) for each in _SPACES if each.is_symlink()]
        state, *stat = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return " ".join([boot, *spaces, "over" if state in "ZX" else stat[_START_TIME]])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user need not have a name.
        return str(os.getuid())


def _run(environ: Mapping[str, str]) -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (environ.get(name, "") for name in names)
    if server and repository and number:
        return f"{server}/{repository}/actions/runs/{number}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or ""
