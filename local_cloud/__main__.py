"""`python -m local_cloud`: one cloud in the foreground of this process.

`control.up` starts it so, reads one line of JSON from its output, and leaves it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.clock import Delays
from local_cloud.errors import LocalCloudError
from local_cloud.instances.isolation import KINDS
from local_cloud.state_dir import Home

if TYPE_CHECKING:
    from local_cloud.state_dir import State


def main(arguments: list[str] | None = None) -> int:
    """Run a cloud until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m local_cloud", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ssh-port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--isolation", choices=KINDS, default="auto")
    parser.add_argument("--delay", action="append", default=[], metavar="NAME=SECONDS")
    parser.add_argument("--detach", action="store_true", help="log to the home once it runs")
    given = parser.parse_args(arguments)
    from local_cloud.api import server  # noqa: PLC0415  moto is slow to import

    home = Home(path=given.home.resolve())
    options = server.Options(
        home=home,
        port=given.port,
        ssh_port=given.ssh_port,
        speed=given.speed,
        isolation=given.isolation,
        delays=Delays.named(given.delay),
    )
    form = "%(asctime)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger("asyncssh").setLevel(logging.ERROR)

    def announce(state: State) -> None:
        print(json.dumps({"state": vars(state)}), flush=True)  # noqa: T201  the line its starter reads
        if given.detach:
            detach(home.log)

    try:
        asyncio.run(server.serve(options, announce))
    except LocalCloudError as error:
        parts = [error.where, error.what, error.remedy]
        print(json.dumps({"refused": parts}), flush=True)  # noqa: T201  the same
        return error.exit_code
    return 0


def detach(log: Path) -> None:
    """Let go of the starter's pipes."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
