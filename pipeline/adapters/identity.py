"""Identify the person and the process of a run, and tell whether a process has exited.

The names are for people: in the lease, in the history, in messages. The mark of a process is for
the lease alone: it distinguishes a killed run of this machine from a live one.
"""

from __future__ import annotations

import getpass
import os
import socket
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.core.ci import ci_actor
from pipeline.core.pausing.pause import AWS, Actor
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Lease

_LONGEST = 300
_SPACES = (Path("/proc/self/ns/pid"), Path("/proc/self/ns/time"))
"""The namespaces of a pid and of a start time; Linux before 5.6 has no time namespace."""
_START_TIME = 22 - 4
"""Field 22 of /proc/PID/stat, counted from the field after the state: proc_pid_stat(5)."""


def runner(environ: Mapping[str, str]) -> Runner:
    """Return the CI job's actor and its URL, or the user and host of this machine."""
    actor = environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or _user()
    return Runner(
        user=printable(actor),
        host=printable(socket.gethostname()),
        pid=os.getpid(),
        run=printable(_run(environ)),
    )


def actor_of(environ: Mapping[str, str], arn: Callable[[], str]) -> Actor:
    """Return the person of this run: the CI job's user, else the ARN of the credentials."""
    system, name = ci_actor(environ)
    if name:
        return Actor(system=system, name=printable(name))
    return Actor(system=AWS, name=printable(arn()))


def printable(text: str) -> str:
    """Return the text without invisible characters, at most 300 characters long."""
    shown = (char for char in text if not unicodedata.category(char).startswith(("C", "Zl", "Zp")))
    return "".join(shown)[:_LONGEST].strip()


def process_mark() -> str:
    """Return a unique mark of this process: boot id, namespaces and start time.

    Empty on a system without /proc (macOS).
    """
    return _mark(os.getpid())


def has_exited(pid: int, mark: str) -> bool:
    """Return True if the process with this mark has certainly exited.

    False if that is not certain: it ran on another machine, before a reboot, in another
    container, or without a mark.
    """
    own = process_mark()
    if not mark or not own or mark.rpartition(" ")[0] != own.rpartition(" ")[0]:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # Another user's process has this pid; its start time tells whether it is the same.
    current = _mark(pid)
    return bool(current) and current != mark


def has_exited_with_children(lease: Lease, folder: Path) -> bool:
    """Return True if a run of this machine and the programs it started in a folder have exited.

    A program's children stay in its working directory unless they change it; Terraform's
    providers do not.
    """
    if lease.owner.run or lease.owner.host != printable(socket.gethostname()):
        return False
    if not has_exited(lease.owner.pid, lease.process):
        return False
    resolved = folder.resolve()
    return not any(_works_in(each, resolved) for each in Path("/proc").glob("[0-9]*"))


def _works_in(process: Path, folder: Path) -> bool:
    """Return True if a process works in the folder; False for another user's unreadable process."""
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def _mark(pid: int) -> str:
    """Return boot id, namespaces and start time; a zombie has the start time `over`."""
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
    except (KeyError, OSError):  # A container's user may have no name.
        return str(os.getuid())


def _run(environ: Mapping[str, str]) -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (environ.get(name, "") for name in names)
    if server and repository and number:
        return f"{server}/{repository}/actions/runs/{number}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or ""
