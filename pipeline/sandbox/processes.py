"""Find and end processes through /proc, by facts they cannot lose.

A process of a cloud is known by the marker in its environment or by a root
directory inside the cloud's home; a dead cloud's processes are found that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROC = Path("/proc")
SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.05


def every() -> list[int]:
    """Return the id of every process but this one."""
    own = os.getpid()
    return [int(p.name) for p in PROC.iterdir() if p.name.isdigit() and int(p.name) != own]


def link(pid: int, name: str) -> str:
    """Return what /proc says of a process, or nothing where it may not be asked."""
    try:
        return str((PROC / str(pid) / name).readlink())
    except OSError:
        return ""


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits for its parent to notice."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def has_entry(pid: int, entry: str) -> bool:
    """Tell whether a process was started with `NAME=value` in its environment."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return entry.encode() in environment.split(b"\0")


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


async def exited(process: asyncio.subprocess.Process) -> int:
    """Wait for a process alone.

    asyncio's own `wait` returns only when its pipes are closed too, and what a command
    left in the background may hold them for ever.
    """
    pause = SHORTEST_PAUSE
    while process.returncode is None:
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
    return process.returncode
