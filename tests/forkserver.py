"""Fork clouds from a process that has already imported everything.

moto takes two seconds to import, and most tests want a cloud of their own. The tests of the start
itself (tests/local_cloud/test_control.py) use `control.up`, as a user does.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from local_cloud import control
from local_cloud.control import Settings
from local_cloud.errors import FailedError, RefusedError
from local_cloud.state_dir import State, StateDir

REPOSITORY = Path(__file__).resolve().parents[1]
WITHIN = 180.0
SERVICES = ("ec2", "autoscaling", "elb", "elbv2", "iam", "sts", "cloudwatch", "s3", "ssm")
"""What moto calls the services that almost every cloud is asked for."""
_strongest: list[str] = []
"""The isolation that the first cloud has chosen: trying it out takes as long as all other steps."""
PR_SET_PDEATHSIG = 1
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


def up(home: StateDir, **settings: Any) -> State:
    """Start a cloud on free ports, as `control.up` does; return once it answers."""
    if settings.get("rootfs") and os.geteuid() != 0:
        return control.up(home, port=0, **settings)  # a user namespace needs a process of its own
    is_auto = not settings.get("rootfs") and settings.get("isolation", "auto") == "auto"
    if is_auto and _strongest:
        settings = {**settings, "isolation": _strongest[0]}
    log = log_of(home)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    given = ["--home", str(home.path), *Settings(port=0, **settings).arguments()]
    process = parent()
    assert process.stdin
    process.stdin.write(json.dumps([str(log), "serve", *given]) + "\n")
    process.stdin.flush()
    answer = first_answer(log)
    if "refused" in answer:
        raise RefusedError(*answer["refused"])
    state = State(**answer["state"])
    if is_auto and not _strongest:
        _strongest.append(state.isolation)
    return state


def log_of(home: StateDir) -> Path:
    """Return the file with everything that a cloud prints; it outlives the cloud."""
    return home.path.with_name(f"{home.path.name}.log")


def first_answer(log: Path) -> dict[str, Any]:
    """Return the line of JSON that a cloud prints when it answers or is refused."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        for line in lines:
            if line.startswith("{") and line.endswith("\n"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        time.sleep(0.01)
    output = log.read_text() if log.exists() else "nothing"
    raise FailedError("local cloud", f"no answer; its output: {output}", f"read {log}")


@functools.cache
def parent() -> subprocess.Popen[str]:
    """Start the process that clouds are forked from, once for each worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver"], cwd=REPOSITORY, stdin=subprocess.PIPE, text=True
    )
    atexit.register(end, process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    """End the parent with the worker; its clouds have ended before."""
    if process.stdin:
        process.stdin.close()
    process.wait()


def serve() -> None:
    """Import what a cloud needs, then fork one for each line of standard input."""
    from local_cloud import __main__ as program  # noqa: PLC0415  slow; the tests need none of it
    from local_cloud.api import server  # noqa: F401, PLC0415  the same

    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        log, *arguments = json.loads(line)
        parent_id = os.getpid()
        if os.fork() == 0:
            code = 1
            try:
                end_with(parent_id)
                detach(log)
                if any(each.startswith("--rootfs=/") for each in arguments):
                    own_mounts()
                code = program.main(arguments)
            except Exception:  # noqa: BLE001  no caller would print it
                traceback.print_exc()
            finally:
                os._exit(code)


def prepare() -> None:
    """Load the descriptions and routes of the services for all clouds: half a second for each.

    Nothing of moto's own state stays, because a cloud replaces the code that makes it.
    """
    from moto.core.base_backend import BackendDict  # noqa: PLC0415  the same
    from moto.core.utils import (  # noqa: PLC0415  the same
        get_service_model,
        service_name_from_moto_package_name,
    )

    from local_cloud.api import server  # noqa: PLC0415  the same

    wanted = os.environ.get("MOTO_EC2_LOAD_DEFAULT_AMIS")
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    for service in SERVICES:
        server.application_of(service)
        get_service_model(service_name_from_moto_package_name(service))
    backends: Any = BackendDict
    for accounts in backends._instances:
        for regions in accounts.values():
            regions.clear()
    if wanted is None:
        del os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"]
    else:
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = wanted
    gc.freeze()  # keeps the memory shared with the clouds


def end_with(parent_id: int) -> None:
    """Let SIGTERM end this cloud with the parent, if a test that failed left it running.

    Such a cloud would take a part of the processor until it is found (prctl(2)).
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_id:
        os._exit(1)


def own_mounts() -> None:
    """Keep the mounts of this cloud to itself, as `unshare --mount` does for a user's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mount namespace")


def detach(log: str) -> None:
    """Release everything that belongs to the parent; print to a file."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    serve()
