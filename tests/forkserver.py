"""Clouds that are forked from a process which has imported everything already.

moto takes two seconds to import, and most tests want a cloud of their own. What a test asks
of the start itself (tests/local_cloud/test_control.py) it asks of `control.up`, as a user does.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local_cloud.errors import FailedError, RefusedError
from local_cloud.state_dir import State, StateDir

REPOSITORY = Path(__file__).resolve().parents[1]
WITHIN = 60.0


def up(home: StateDir, *, speed: float, isolation: str, delay: Sequence[str] = ()) -> State:
    """Start a cloud on free ports, as `control.up` does; return once it answers."""
    said = log_of(home)
    said.parent.mkdir(parents=True, exist_ok=True)
    said.unlink(missing_ok=True)
    where = ["--home", str(home.path), "--port", "0"]
    how = ["--speed", str(speed), "--isolation", isolation]
    how += [f"--delay={each}" for each in delay]
    process = mother()
    assert process.stdin
    process.stdin.write(json.dumps([str(said), *where, *how]) + "\n")
    process.stdin.flush()
    answer = first_answer(said)
    if "refused" in answer:
        raise RefusedError(*answer["refused"])
    return State(**answer["state"])


def log_of(home: StateDir) -> Path:
    """Return the file with all that a cloud prints, its own bugs too; it outlives the cloud."""
    return home.path.with_name(f"{home.path.name}.said")


def first_answer(said: Path) -> dict[str, Any]:
    """Return the line of JSON that a cloud prints when it answers, or when it is refused."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        lines = said.read_text().splitlines(keepends=True) if said.exists() else []
        for line in lines:
            if line.startswith("{") and line.endswith("\n"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        time.sleep(0.01)
    what = said.read_text() if said.exists() else "nothing"
    raise FailedError("local cloud", f"it did not answer; it said: {what}", "look into tests")


@functools.cache
def mother() -> subprocess.Popen[str]:
    """Start the process that clouds are forked from, once for each worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver"], cwd=REPOSITORY, stdin=subprocess.PIPE, text=True
    )
    atexit.register(end, process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    """End the mother with the worker; her clouds were ended before."""
    if process.stdin:
        process.stdin.close()
    process.wait()


def bear() -> None:
    """Import what a cloud needs, then fork one for each line of standard input."""
    from local_cloud import __main__ as program  # noqa: PLC0415  slow; the tests need none of it
    from local_cloud.api import server  # noqa: PLC0415  the same
    from local_cloud.balancers import sync  # noqa: PLC0415  the same
    from local_cloud.patches.autoscaling import group_calls  # noqa: PLC0415  the same
    from local_cloud.patches.elb import classic, elbv2  # noqa: PLC0415  the same

    assert all((server, sync, group_calls, classic, elbv2))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        said, *arguments = json.loads(line)
        if os.fork() == 0:
            code = 1
            try:
                leave_home(said)
                code = program.main(arguments)
            except Exception:  # noqa: BLE001  nobody above it would say what
                traceback.print_exc()
            finally:
                os._exit(code)


def leave_home(said: str) -> None:
    """Let go of everything that is the mother's; print to a file."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    bear()
