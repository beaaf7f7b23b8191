"""Start, stop and find a cloud from another process."""

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
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from local_cloud.errors import PROGRAM, FailedError, RefusedError
from local_cloud.instances import overlay, reaper
from local_cloud.options import CONSISTENCY, PORT, SESSION_SECONDS
from local_cloud.state_dir import HOME, State, StateDir

NEEDED = ("moto", "flask", "asyncssh", "aiohttp")
DOWN_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The options of a cloud.

    `delay` are delays other than AWS's usual ones, each as `NAME=SECONDS`. `role` are roles whose
    calls are judged, each as `NAME=FILE` of a policy. `consistency` is `strong` or
    `eventual[:SECONDS]`. `rootfs` is a folder or an archive below the root of each instance.
    """

    port: int = PORT
    ssh_port: int = 0
    speed: float = 1.0
    isolation: str = "auto"
    delay: Sequence[str] = ()
    role: Sequence[str] = ()
    session_seconds: int = SESSION_SECONDS
    consistency: str = CONSISTENCY
    seed: int = 0
    rootfs: str = ""

    def arguments(self) -> list[str]:
        """Return the options of `serve`."""
        given = ((f.name.replace("_", "-"), getattr(self, f.name)) for f in fields(self))
        return [
            f"--{name}={each}"
            for name, value in given
            for each in (value if isinstance(value, list | tuple) else [value])
        ]


def up(home: StateDir, **settings: Any) -> State:
    """Start a cloud that outlives this process; return once it answers.

    `settings` are those of `Settings`.
    """
    check_prerequisites(home)
    if settings.get("rootfs"):
        overlay.check_user()
    argv = command(home, **settings)
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
            process.returncode = 0  # the cloud goes on; this process does not wait for it
            return State(**answer["state"])
        if "refused" in answer:
            raise RefusedError(*answer["refused"])
        output = process.stderr.read() if process.stderr else ""
    raise failure(home, output)


def command(home: StateDir, **settings: Any) -> list[str]:
    """Return the command that runs a cloud in the foreground."""
    where = ["--home", str(home.path)]
    given = Settings(**settings)
    enter = overlay.enter() if given.rootfs else []
    return [*enter, sys.executable, "-m", "local_cloud", "serve", *where, *given.arguments()]


def check_prerequisites(home: StateDir, needed: Sequence[str] = NEEDED) -> None:
    """Refuse, before a process is started, where the cloud cannot run."""
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
            "pip install 'ami-pipeline[local-cloud]'",
        )
    if home.is_locked():
        raise home.already_running()
    if foreign := home.foreign():
        raise RefusedError(
            f"local cloud in {home.path}",
            f"the folder holds files that no local cloud made: {', '.join(foreign[:5])}",
            f"set {HOME} to a folder of its own",
        )


def failure(home: StateDir, output: str) -> FailedError:
    """Return the error of a cloud that ended before it answered."""
    clean(home)
    last = "\n".join(output.strip().splitlines()[-10:])
    return FailedError(
        f"local cloud in {home.path}",
        last or "the process ended without output",
        f"run it in the foreground: {PROGRAM} up --foreground",
    )


def down(home: StateDir) -> bool:
    """Stop the cloud and remove everything that it made; return False if none was running."""
    state = home.read()
    if state:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        wait_until_free(home, state.pid)
    clean(home)
    return state is not None


def clean(home: StateDir) -> None:
    """Remove what a cloud left behind, unless another has started there meanwhile.

    A folder without a lock file, or with foreign files in it, was never the home of a cloud.
    """
    if home.foreign() or not home.lock_file.exists():
        return
    with contextlib.suppress(RefusedError):
        lock = home.lock()
        try:
            reaper.reap(home, keep_lock=False)
        finally:
            os.close(lock)


def wait_until_free(home: StateDir, pid: int) -> None:
    """Wait until the process has released the home; kill it if that takes too long."""
    deadline = time.monotonic() + DOWN_WITHIN
    while home.is_locked():
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def running(home: StateDir) -> State:
    """Return the cloud that runs, or refuse."""
    state = home.read()
    if state is None:
        raise RefusedError(
            f"local cloud in {home.path}",
            "the local cloud is not running",
            f"{PROGRAM} up",
        )
    return state
