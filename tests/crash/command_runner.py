"""Types commands for the crash suite: each in a process forked from one that has imported all.

The tool starts in half a second, most of it imports; a crash suite has thousands of starts. A
command runs in a session of its own, and what it said and how it ended is left in files.
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
"""Seconds: a Terraform whose tool stands still is waited for, for two minutes and a bit."""
SERVICES = ("autoscaling", "cloudwatch", "ec2", "elb", "elbv2", "service-quotas", "sts")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A command as it ended: `code` is negative for a signal."""

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
class Hands:
    """One mother process, and the folder in which commands leave what they say."""

    folder: Path
    mother: subprocess.Popen[str]
    _count: int = 0

    @classmethod
    def ready(cls, folder: Path) -> Hands:
        """Start the mother; she needs a second, once."""
        folder.mkdir(parents=True, exist_ok=True)
        mother = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.command_runner"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            text=True,
        )
        return cls(folder=folder, mother=mother)

    def close(self) -> None:
        """End the mother."""
        if self.mother.stdin:
            self.mother.stdin.close()
        self.mother.wait()

    def begin(
        self, *words: str, cwd: Path, env: Mapping[str, str], crash: Path | None = None
    ) -> Running:
        """Start a command; `crash` is the order of where it is to die."""
        self._count += 1
        name = self.folder / f"{self._count:06}"
        order = {"words": words, "cwd": str(cwd), "env": dict(env), "name": str(name)}
        order["crash"] = str(crash or "")
        assert self.mother.stdin
        self.mother.stdin.write(json.dumps(order) + "\n")
        self.mother.stdin.flush()
        return Running(words=words, name=name, began=time.monotonic())


@dataclass(frozen=True, kw_only=True)
class Running:
    """A command that was started."""

    words: tuple[str, ...]
    name: Path
    began: float

    @property
    def pid(self) -> int:
        """Return the process of the tool."""
        return int(self._read("pid", wait=True))

    def ended(self) -> Typed:
        """Wait for its end."""
        code = int(self._read("code", wait=True))
        seconds = time.monotonic() - self.began
        typed = Typed(
            words=self.words,
            code=code,
            out=self._read("out"),
            err=self._read("err"),
            seconds=seconds,
        )
        for each in ("pid", "code", "out", "err"):
            self.name.with_suffix(f".{each}").unlink(missing_ok=True)
        return typed

    def _read(self, what: str, *, wait: bool = False) -> str:
        path = self.name.with_suffix(f".{what}")
        deadline = self.began + LONGEST
        while wait and not path.exists():
            if time.monotonic() > deadline:
                said = self._read("err")[-2000:]
                raise AssertionError(f"{' '.join(self.words)}: no end in {LONGEST:g} s:\n{said}")
            time.sleep(0.005)
        return path.read_text(errors="replace")


# --- in the mother ----------------------------------------------------------------------------


def bear() -> None:
    """Import what the tool needs, then fork a process for each line of standard input."""
    import_all()
    clients: dict[tuple[str, str], Any] = {}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        if not clients:
            clients = made(order["env"])
            gc.freeze()  # what children only read is not copied for them
        if os.fork() == 0:
            hand_out(clients)
            try:
                watch_over(order)
            finally:
                os._exit(1)


def import_all() -> None:
    """Import the tool and boto3, and keep the descriptions of AWS's services once read."""
    import botocore.loaders  # noqa: PLC0415  the same
    import botocore.session  # noqa: PLC0415  the same

    import pipeline  # noqa: PLC0415  the same

    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if not module.name.startswith("pipeline.cli.local_cloud") and not module.name.endswith(
            "__main__"
        ):
            importlib.import_module(module.name)
    shared = functools.cache(botocore.loaders.create_loader)
    botocore.loaders.create_loader = shared


def made(environ: Mapping[str, str]) -> dict[tuple[str, str], Any]:
    """Make the clients that the tool would make; no connection is open yet."""
    from pipeline.adapters.aws import client  # noqa: PLC0415  imported long ago

    before = dict(os.environ)
    os.environ.update(environ)
    regional = {(service, "us-east-1"): client._make(service, "us-east-1") for service in SERVICES}
    found = {**regional, ("s3", ""): client._make("s3", "")}
    os.environ.clear()
    os.environ.update(before)
    return found


def hand_out(clients: Mapping[tuple[str, str], Any]) -> None:
    """Have the tool take its clients from these; making them is a third of its work."""
    from pipeline.adapters.aws import client  # noqa: PLC0415  imported long ago

    make = client._make
    module: Any = client
    module._make = lambda service, region: clients.get((service, region)) or make(service, region)


def watch_over(order: dict[str, Any]) -> None:
    """Run the command in a child; write down its pid and its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    name = Path(order["name"])
    child = os.fork()
    if child == 0:
        try:
            code = run(order)
        finally:
            os._exit(70)
        os._exit(code)
    written(name.with_suffix(".pid"), child)
    _, status = os.waitpid(child, 0)
    written(name.with_suffix(".code"), os.waitstatus_to_exitcode(status))
    os._exit(0)


def written(path: Path, number: int) -> None:
    """Write a number at once: whoever waits for the file finds it whole."""
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_text(str(number))
    new.replace(path)


def run(order: dict[str, Any]) -> int:
    """Be the tool; return its exit code."""
    from pipeline.cli.main import main  # noqa: PLC0415  imported long ago
    from tests.crash import boundaries  # noqa: PLC0415  the same

    os.setsid()
    redirect(Path(order["name"]))
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["ami-pipeline", *order["words"]]
    if order["crash"]:
        boundaries.watch_tool(Path(order["crash"]))
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def redirect(name: Path) -> None:
    """Print to files, read nothing, with streams of the process's own."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, suffix in ((1, ".out"), (2, ".err")):
        handle = os.open(name.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  it lives as long as the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  the same
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115  the same


if __name__ == "__main__":
    bear()
