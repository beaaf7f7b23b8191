"""Cancel a job as GitHub and GitLab do: which process gets which signal, and when.

GitHub: "Workflow cancellation reference". GitLab's shell executor: gitlab-runner!3906.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "CI_FILES_JOB"
"""The variable in the environment of every process of a job."""


def github(runner: int, mark: str) -> str:
    """Cancel as GitHub does: SIGINT to the step, SIGTERM, SIGKILL, and the end of what is left."""
    step = _program(runner, mark)
    for number, patience in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 1.0)):
        _send([step], number)
        if _gone([step], patience):
            break
    _send(list(marked(mark)), signal.SIGKILL)
    return number.name


def gitlab(runner: int, mark: str) -> str:
    """Cancel as GitLab's shell executor does: SIGTERM to the group of the job, then SIGKILL."""
    group = [each for each in marked(mark) if _group(each) == _group(_program(runner, mark))]
    group = [each for each in group if each != runner]
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 1.0)):
        _send(group, number)
        if _gone(group, patience):
            break
    return number.name


def kill(_runner: int, mark: str) -> str:
    """End every process of the job at once, as a machine that is lost."""
    _send(list(marked(mark)), signal.SIGKILL)
    return signal.SIGKILL.name


WAYS = {"github": github, "gitlab": gitlab, "kill": kill}


def marked(mark: str) -> Iterator[int]:
    """Yield the processes that have the mark of a job in their environment."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def _program(runner: int, mark: str) -> int:
    """Return the process of the step: the first of the job that runs this program."""
    for pid in sorted(marked(mark)):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if pid != runner and any(each.endswith(b"/ami-pipeline") for each in words[:2]):
                return pid
    raise LookupError("the job does not run ami-pipeline")


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _gone(pids: list[int], seconds: float) -> bool:
    """Wait until the processes have ended; return False if one is left."""
    deadline = time.monotonic() + seconds
    while any(map(_is_alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
