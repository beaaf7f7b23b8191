"""Serve one cloud in this process, and tell the process that started it when it answers."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_cloud.clock import Delays
from local_cloud.consistency.setting import Consistency
from local_cloud.control import Settings
from local_cloud.errors import LocalCloudError
from local_cloud.permissions.roles import named_roles
from local_cloud.state_dir import State, StateDir


def serve(path: Path, *, detach: bool, **settings: Any) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    One line of JSON on standard output says that the cloud answers, or why it does not. `settings`
    are those of `control.Settings`.
    """
    from local_cloud.api import server  # noqa: PLC0415  moto is slow to import

    home, given = StateDir(path=path.resolve()), Settings(**settings)
    options = server.Options(
        home=home,
        port=given.port,
        ssh_port=given.ssh_port,
        speed=given.speed,
        isolation=given.isolation,
        delays=Delays.named(given.delay),
        consistency=Consistency.named(given.consistency, given.seed),
        roles=named_roles(given.role, given.session_seconds),
        rootfs=Path(given.rootfs) if given.rootfs else None,
    )
    log_to_stderr()

    def announce(state: State) -> None:
        report({"state": asdict(state)})
        if detach:
            redirect_output(home.log)

    try:
        asyncio.run(server.serve(options, announce))
    except LocalCloudError as error:
        report({"refused": [error.where, error.what, error.remedy]})
        return error.exit_code
    return 0


def log_to_stderr() -> None:
    """Log everything of interest to standard error."""
    layout = "%(asctime)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=layout, stream=sys.stderr)
    logging.getLogger("asyncssh").setLevel(logging.ERROR)


def report(answer: dict[str, object]) -> None:
    """Print the line that the starter reads."""
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


def redirect_output(log: Path) -> None:
    """Write output to a file from now on, which releases the starter's pipes."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
