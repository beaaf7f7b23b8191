"""Find and end processes through /proc.

A process belongs to a cloud if its environment has the marker or its root directory is inside
the cloud's home. This finds the processes of a killed cloud, too. Paths are strings here: every
process of the machine is read, and `Path` takes three times as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.05


def every() -> list[int]:
    """Return the id of every process but this one."""
    own = os.getpid()
    names = os.listdir("/proc")  # noqa: PTH208  see the module's docstring
    return [int(name) for name in names if name.isdigit() and int(name) != own]


def link(pid: int, name: str) -> str:
    """Return the target of a link of /proc for a process, or "" if it is not readable."""
    try:
        return os.readlink(f"/proc/{pid}/{name}")  # noqa: PTH115  see the module's docstring
    except OSError:
        return ""


def is_zombie(pid: int) -> bool:
    """Return True if a process has ended but its parent has not waited for it."""
    try:
        stat = content(pid, "stat")
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[0] in b"ZX"


def has_entry(pid: int, entry: str) -> bool:
    """Return True if a process was started with `NAME=value` in its environment."""
    try:
        environment = content(pid, "environ")
    except OSError:
        return False
    return entry.encode() in environment.split(b"\0")


def content(pid: int, name: str) -> bytes:
    """Return the content of a file of /proc for a process."""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  see the module's docstring
        return file.read()


def matching(is_one: Callable[[int], bool]) -> list[int]:
    """Return the living processes for which `is_one` holds."""
    return [pid for pid in every() if is_one(pid) and not is_zombie(pid)]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes, some of which may have exited already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_all(is_one: Callable[[int], bool], within: float = 5.0) -> int:
    """Kill matching processes until none is left; return how many there were."""
    ended: set[int] = set()
    deadline = time.monotonic() + within
    while (found := matching(is_one)) and time.monotonic() < deadline:
        ended.update(found)
        send(found, signal.SIGKILL)
        time.sleep(0.01)
    return len(ended)


def group(pid: int) -> int:
    """Return the process group of a process, or 0 if it has exited."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def inner(pid: int) -> int:
    """Return the id of a process in its own PID namespace (proc(5), NSpid)."""
    return int(status(pid, b"NSpid") or pid)


def parent(pid: int) -> int:
    """Return the id of the parent of a process, or 0."""
    return int(status(pid, b"PPid") or 0)


def status(pid: int, name: bytes) -> bytes:
    """Return the last word of a line of /proc/PID/status; empty if the process has exited."""
    try:
        lines = content(pid, "status").splitlines()
    except OSError:
        return b""
    words = next((line.split() for line in lines if line.startswith(name + b":")), [b""])
    return words[-1]


def send_to_group(leader: int, number: signal.Signals) -> None:
    """Signal the rest of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


async def exited(process: asyncio.subprocess.Process) -> int:
    """Wait for a process, not for its pipes; return its exit code.

    asyncio's own `wait` returns only when the pipes are closed, too, and a background process
    may keep them open for ever.
    """
    await ended(process.pid)
    pause = SHORTEST_PAUSE
    while process.returncode is None:
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
    return process.returncode


@contextlib.asynccontextmanager
async def attended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Leave no child behind: kill it and wait for it if the block ends before it does.

    Its process group is killed with it if it leads one. A child without a `wait` keeps its
    transport open beyond the event loop.
    """
    try:
        yield
    finally:
        if process.returncode is None:
            leads = group(process.pid) == process.pid
            send([-process.pid if leads else process.pid], signal.SIGKILL)
            await asyncio.shield(exited(process))
            # What it started in another process group may keep its pipes open beyond the loop.
            transport: asyncio.SubprocessTransport = vars(process)["_transport"]
            transport.close()


async def ended(pid: int) -> None:
    """Wait until the kernel reports the end of a child; return at once if it cannot."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it has ended, or the kernel is older than 5.3
        return
    loop, has_ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, has_ended.set)
    try:
        await has_ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def watch_children_by_descriptor() -> None:
    """Let asyncio learn of a child's end from the kernel, the default from Python 3.12 on.

    Before, it keeps one thread per child in `waitpid`.
    """
    if sys.version_info < (3, 12):
        with contextlib.suppress(OSError):  # the kernel is older than 5.3
            os.close(os.pidfd_open(os.getpid()))
            watcher = asyncio.PidfdChildWatcher()
            watcher.attach_loop(asyncio.get_running_loop())
            asyncio.set_child_watcher(watcher)
