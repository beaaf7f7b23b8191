"""Run Terraform's stand-in in a fork of the tool instead of in a new Python.

A crash run starts it a dozen times, and each start took longer than what it does: most of it for
imports that the tool has done. The supervisor, the process tree and group, the pipes and the
signals stay as they are; `tests/e2e` and `tests/adapters/process` start real programs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.adapters.process import process, supervisor
from tests.crash import child
from tests.standin import program

FILES = ("rename", "replace", "link", "unlink")
"""The functions that `boundaries` replaces in the tool, but not in the stand-in."""
_untouched = {name: getattr(os, name) for name in FILES}
_execute = supervisor._become


def install(order: Path) -> None:
    """Start the stand-in beside this order file by a fork, and every other program as ever."""
    module: Any = process
    popen = functools.partial(_popen, order.parent / "bin/terraform", order)
    module.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": popen})


def _popen(
    standin: Path, order: Path, words: list[str], *, pass_fds: tuple[int, ...] = (), **how: Any
) -> subprocess.Popen[bytes]:
    if words[1:3] == ["-IS", supervisor.__file__]:
        numbers = [int(each) for each in words[3:]]
        how["preexec_fn"] = functools.partial(_supervised, standin, order, pass_fds, numbers)
    return subprocess.Popen(words, pass_fds=pass_fds, **how)


def _supervised(standin: Path, order: Path, kept: tuple[int, ...], numbers: list[int]) -> None:
    """Do in the new process what the supervisor's program does; never return."""
    reset_signals()
    close_all_but({0, 1, 2, *kept})
    module: Any = supervisor
    module._become = functools.partial(_become, standin, order)
    output, report, *others = numbers
    supervisor.main(output, report, others)


def _become(
    standin: Path, order: Path, paths: tuple[bytes, ...], argv: list[bytes], env: dict[bytes, bytes]
) -> None:
    found = next((each for each in paths if os.access(each, os.X_OK)), b"")
    if os.fsdecode(found) != str(standin):
        _execute(paths, argv, env)
    close_all_but({0, 1, 2})
    for name, function in _untouched.items():
        setattr(os, name, function)
    os.environ.clear()
    os.environ.update({os.fsdecode(key): os.fsdecode(value) for key, value in env.items()})
    sys.argv = [os.fsdecode(each) for each in argv]
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for good
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  the same
    code = exit_code(functools.partial(run, order))
    sys.stdout.flush()
    os._exit(code)


def run(order: Path) -> int:
    """Do what the program on the PATH does (`environment`)."""
    child.install(order)
    return program.main()


def exit_code(main: Callable[[], int]) -> int:
    """Return the exit code with which Python ends after this function."""
    try:
        return main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  as Python does
        traceback.print_exc()
        return 1


def reset_signals() -> None:
    """Let signals do what they do in a Python that has just started."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def close_all_but(kept: set[int]) -> None:
    """Close every other descriptor, as execve(2) does."""
    for each in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if each not in kept:
            with contextlib.suppress(OSError):  # the one that listed them is closed
                os.close(each)
