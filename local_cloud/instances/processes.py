"""Find and end processes through /proc, by facts they cannot lose.

A process of a cloud is known by the marker in its environment or by a root
directory inside the cloud's home; a dead cloud's processes are found that way.
Every process of the machine is looked at: paths are strings here, which take a third
of the time that `Path` does.
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
    from collections.abc import Callable, Iterable

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.05


def every() -> list[int]:
    """Return the id of every process but this one."""
    own = os.getpid()
    names = os.listdir("/proc")  # noqa: PTH208  see above
    return [int(name) for name in names if name.isdigit() and int(name) != own]


def link(pid: int, name: str) -> str:
    """Return what /proc says of a process, or nothing where it may not be asked."""
    try:
        return os.readlink(f"/proc/{pid}/{name}")  # noqa: PTH115  see above
    except OSError:
        return ""


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits for its parent to notice."""
    try:
        stat = content(pid, "stat")
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[0] in b"ZX"


def has_entry(pid: int, entry: str) -> bool:
    """Tell whether a process was started with `NAME=value` in its environment."""
    try:
        environment = content(pid, "environ")
    except OSError:
        return False
    return entry.encode() in environment.split(b"\0")


def content(pid: int, name: str) -> bytes:
    """Return what a file of /proc says of a process."""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  see above
        return file.read()


def matching(is_one: Callable[[int], bool]) -> list[int]:
    """Return the living processes for which `is_one` holds."""
    return [pid for pid in every() if is_one(pid) and not is_zombie(pid)]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes, some of which may be gone already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_all(is_one: Callable[[int], bool], within: float = 5.0) -> int:
    """Kill what matches until nothing does; return how many there were."""
    ended: set[int] = set()
    deadline = time.monotonic() + within
    while (found := matching(is_one)) and time.monotonic() < deadline:
        ended.update(found)
        send(found, signal.SIGKILL)
        time.sleep(0.01)
    return len(ended)


def group(pid: int) -> int:
    """Return the process group of a process, 0 if it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def send_to_group(leader: int, number: signal.Signals) -> None:
    """Signal what is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


async def exited(process: asyncio.subprocess.Process) -> int:
    """Wait for a process alone.

    asyncio's own `wait` returns only when its pipes are closed too, and what a command
    left in the background may hold them for ever.
    """
    await ended(process.pid)
    pause = SHORTEST_PAUSE
    while process.returncode is None:
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
    return process.returncode


async def ended(pid: int) -> None:
    """Wait until the kernel says that a child has ended; return at once if it says nothing."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it has ended, or the kernel is older than 5.3
        return
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, told.set)
    try:
        await told.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def watch_children_by_descriptor() -> None:
    """Let asyncio hear of a child's end from the kernel, as it does by itself from Python 3.12 on.

    Until then it keeps a thread for each, in `waitpid`.
    """
    if sys.version_info < (3, 12):
        with contextlib.suppress(OSError):  # the kernel is older than 5.3
            os.close(os.pidfd_open(os.getpid()))
            watcher = asyncio.PidfdChildWatcher()
            watcher.attach_loop(asyncio.get_running_loop())
            asyncio.set_child_watcher(watcher)
