"""Start small Python programs, and find what they leave."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from pipeline.adapters.process.process import Command

GRANDCHILD = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
"""


def python(code: str) -> Command:
    return Command(argv=[sys.executable, "-S", "-c", code], cwd=Path.cwd(), env={"GIVEN": "only"})


def is_gone(pid: int) -> bool:
    """Whether a process has ended; the one who adopted it may still have to collect it."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.005)
    return False


def group_of(leader: int) -> list[int]:
    """Return the processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if os.getpgid(int(entry.name)) == leader:
                found.append(int(entry.name))
    return found
