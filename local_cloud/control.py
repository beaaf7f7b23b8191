"""Start, end and describe a cloud from another process."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from local_cloud.errors import FailedError, RefusedError
from local_cloud.instances import reaper
from local_cloud.state_dir import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_cloud.state_dir import Home

PORT = 5700
NEEDED = ("moto", "flask", "asyncssh", "aiohttp")
DOWN_WITHIN = 30.0


def up(
    home: Home,
    *,
    port: int = PORT,
    ssh_port: int = 0,
    speed: float = 1.0,
    isolation: str = "auto",
    delay: Sequence[str] = (),
) -> State:
    """Start a cloud that goes on when this process ends; return once it answers.

    `delay` are delays other than AWS's usual ones, each as `NAME=SECONDS`.
    """
    refuse_at_once(home)
    argv = command(
        home, port=port, ssh_port=ssh_port, speed=speed, isolation=isolation, delay=delay
    )
    with subprocess.Popen(
        [*argv, "--detach"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        answer = json.loads(line) if line.startswith("{") else {}
        if "state" in answer:
            process.returncode = 0  # it lives on; nobody here waits for it
            return State(**answer["state"])
        if "refused" in answer:
            raise RefusedError(*answer["refused"])
        said = process.stderr.read() if process.stderr else ""
    raise failure(home, said)


def command(
    home: Home,
    *,
    port: int,
    ssh_port: int,
    speed: float,
    isolation: str,
    delay: Sequence[str] = (),
) -> list[str]:
    """Return what runs a cloud in the foreground."""
    where = ["--home", str(home.path), "--port", str(port), "--ssh-port", str(ssh_port)]
    how = ["--speed", str(speed), "--isolation", isolation]
    other = [f"--delay={each}" for each in delay]
    return [sys.executable, "-m", "local_cloud", *where, *how, *other]


def refuse_at_once(home: Home, needed: Sequence[str] = NEEDED) -> None:
    """Say what can be said before a process is started."""
    if platform.system() != "Linux":
        raise RefusedError(
            "local cloud",
            f"it needs Linux (namespaces, /proc, 127.0.0.0/8); this is {platform.system()}",
            "run it in a container or a virtual machine",
        )
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise RefusedError(
            "local cloud",
            f"not installed: {', '.join(missing)}",
            "pip install 'ami-pipeline[sandbox]'",
        )
    if home.is_locked():
        raise home.one_runs()
    if foreign := home.foreign():
        raise RefusedError(
            f"local cloud in {home.path}",
            f"the folder holds what no local cloud made: {', '.join(foreign[:5])}",
            "name a folder of its own in AMI_PIPELINE_SANDBOX_HOME",
        )


def failure(home: Home, said: str) -> FailedError:
    """Return the error of a cloud that ended before it answered."""
    clean(home)
    last = "\n".join(said.strip().splitlines()[-10:])
    return FailedError(
        f"local cloud in {home.path}",
        last or "it ended without a word",
        f"see it run: {' '.join(command(home, port=0, ssh_port=0, speed=1, isolation='auto'))}",
    )


def down(home: Home) -> bool:
    """End the cloud and everything of it; False if none ran."""
    state = home.read()
    if state:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        wait_until_free(home, state.pid)
    clean(home)
    return state is not None


def clean(home: Home) -> None:
    """Remove what a cloud left behind, unless another has begun there meanwhile.

    A folder without a lock file, or with anything else in it, never was a cloud's home.
    """
    if home.foreign() or not home.lock_file.exists():
        return
    with contextlib.suppress(RefusedError):
        lock = home.lock()
        try:
            reaper.sweep(home, keep_lock=False)
        finally:
            os.close(lock)


def wait_until_free(home: Home, pid: int) -> None:
    """Wait until the process has let go of the home; kill it if it will not."""
    deadline = time.monotonic() + DOWN_WITHIN
    while home.is_locked():
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def running(home: Home) -> State:
    """Return the cloud that runs, or refuse."""
    state = home.read()
    if state is None:
        raise RefusedError(
            f"local cloud in {home.path}", "none runs", "start one: ami-pipeline local-cloud up"
        )
    return state
