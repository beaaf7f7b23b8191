"""Run commands for the crash suite in processes forked from one that has imported everything.

The tool needs half a second to start, most of it for imports, and the crash suite starts it
thousands of times. Each command runs in a session of its own and writes its output and exit code to
files.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 240.0
"""Seconds to wait for a command. Terraform waits two minutes for a suspended parent."""
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")
SERVICES = ("autoscaling", "cloudwatch", "ec2", "elb", "elbv2", "service-quotas", "sts")


@dataclass(frozen=True, kw_only=True)
class CompletedCommand:
    """A command that has ended: `code` is negative for a signal."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(kw_only=True)
class CommandRunner:
    """One parent process, and the folder for the output of commands."""

    folder: Path
    parent: subprocess.Popen[str]
    _count: int = 0

    @classmethod
    def ready(cls, folder: Path) -> CommandRunner:
        """Start the parent process; its imports take a second."""
        folder.mkdir(parents=True, exist_ok=True)
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.command_runner"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            text=True,
        )
        return cls(folder=folder, parent=parent)

    def close(self) -> None:
        """End the parent process."""
        if self.parent.stdin:
            self.parent.stdin.close()
        self.parent.wait()

    def begin(
        self,
        *words: str,
        cwd: Path,
        env: Mapping[str, str],
        crash: Path | None = None,
        forks: Path | None = None,
    ) -> RunningCommand:
        """Start a command; `crash` is its order file for a kill or fault.

        The stand-in beside the order file `forks` is forked (`forked_terraform`).
        """
        self._count += 1
        name = self.folder / f"{self._count:06}"
        order = {"words": words, "cwd": str(cwd), "env": dict(env), "name": str(name)}
        order |= {"crash": str(crash or ""), "forks": str(forks or "")}
        assert self.parent.stdin
        self.parent.stdin.write(json.dumps(order) + "\n")
        self.parent.stdin.flush()
        return RunningCommand(words=words, name=name, began=time.monotonic())


@dataclass(frozen=True, kw_only=True)
class RunningCommand:
    """A command that was started."""

    words: tuple[str, ...]
    name: Path
    began: float

    @property
    def pid(self) -> int:
        """Return the process ID of the tool."""
        return int(self._read("pid", wait=True))

    def finish(self) -> CompletedCommand:
        """Wait for the command to end."""
        code = int(self._read("code", wait=True))
        seconds = time.monotonic() - self.began
        result = CompletedCommand(
            words=self.words,
            code=code,
            out=self._read("out"),
            err=self._read("err"),
            seconds=seconds,
        )
        for each in ("pid", "code", "out", "err"):
            self.name.with_suffix(f".{each}").unlink(missing_ok=True)
        return result

    def _read(self, what: str, *, wait: bool = False) -> str:
        path = self.name.with_suffix(f".{what}")
        deadline = self.began + LONGEST
        while wait and not path.exists():
            if time.monotonic() > deadline:
                output = self._read("err")[-2000:]
                raise AssertionError(f"{' '.join(self.words)}: no end in {LONGEST:g} s:\n{output}")
            time.sleep(0.005)
        return path.read_text(errors="replace")


# --- in the parent process ------------------------------------------------------------------------


def serve() -> None:
    """Import what the tool needs, then fork a process for each line of standard input."""
    import_all()
    clients: dict[tuple[str, str], Any] = {}
    first: dict[str, str] = {}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        if not clients:
            first = order["env"]
            clients = create_clients(first)
            gc.freeze()  # keeps read-only memory shared with the children
        if os.fork() == 0:
            share_clients(clients, first, order["env"])
            try:
                supervise(order)
            finally:
                os._exit(1)


def import_all() -> None:
    """Import the tool and botocore; cache the models of its services."""
    import pipeline  # noqa: PLC0415  the same
    from pipeline.adapters.aws import sessions  # noqa: PLC0415  the same
    from tests.crash import forked_terraform  # noqa: F401, PLC0415  the same

    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if not module.name.startswith("pipeline.cli.local_cloud") and not module.name.endswith(
            "__main__"
        ):
            importlib.import_module(module.name)
    shared: Any = sessions
    shared.models_in = functools.cache(sessions.models_in)


def create_clients(environ: Mapping[str, str]) -> dict[tuple[str, str], Any]:
    """Create the clients that the tool needs; no connection is open yet."""
    from pipeline.adapters.aws import client  # noqa: PLC0415  already imported

    before = dict(os.environ)
    os.environ.update(environ)
    regional = {(service, "us-east-1"): client._make(service, "us-east-1") for service in SERVICES}
    found = {**regional, ("s3", "us-east-1"): client._make("s3", "us-east-1")}
    os.environ.clear()
    os.environ.update(before)
    return found


def share_clients(
    clients: Mapping[tuple[str, str], Any], first: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Make the tool use these clients: creating them is a third of its work.

    They have the credentials of the `first` environment, so a tool with others creates its own.
    """
    from pipeline.adapters.aws import client  # noqa: PLC0415  already imported

    if any(first.get(name) != environ.get(name) for name in CREDENTIALS):
        client._SESSIONS.clear()
        return
    make = client._make
    module: Any = client
    module._make = lambda service, region: clients.get((service, region)) or make(service, region)


def supervise(order: dict[str, Any]) -> None:
    """Run the command in a child; write its process ID and exit code to files."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    name = Path(order["name"])
    child = os.fork()
    if child == 0:
        try:
            code = run(order)
        finally:
            os._exit(70)
        os._exit(code)
    write_atomically(name.with_suffix(".pid"), child)
    _, status = os.waitpid(child, 0)
    write_atomically(name.with_suffix(".code"), os.waitstatus_to_exitcode(status))
    os._exit(0)


def write_atomically(path: Path, number: int) -> None:
    """Write a number in one step, so that a reader finds the file complete."""
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_text(str(number))
    new.replace(path)


def run(order: dict[str, Any]) -> int:
    """Run the tool in this process; return its exit code."""
    from pipeline.cli.main import main  # noqa: PLC0415  already imported
    from tests.crash import boundaries, forked_terraform  # noqa: PLC0415  the same

    os.setsid()
    redirect(Path(order["name"]))
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["ami-pipeline", *order["words"]]
    if order["forks"]:
        forked_terraform.install(Path(order["forks"]))
    if order["crash"]:
        boundaries.watch_tool(Path(order["crash"]))
    try:
        main()
    except SystemExit as finish:
        code = finish.code if isinstance(finish.code, int) else int(finish.code is not None)
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def redirect(name: Path) -> None:
    """Redirect the standard streams to files and /dev/null."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, suffix in ((1, ".out"), (2, ".err")):
        handle = os.open(name.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  open as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  the same
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115  the same


if __name__ == "__main__":
    serve()
