"""A project folder of the end-to-end tests, and how to run the tool in it.

Use `Project` to run the real command line, with real Packer, against a local cloud.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = "al2023-ami-2023.*-kernel-6.1-x86_64"
CANARY = "canary/s3cret+value=="


@dataclass(kw_only=True)
class CommandResult:
    """The result of one command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(kw_only=True)
class Project:
    """A folder with a pipeline.toml, and how to run the tool in it."""

    folder: Path
    cloud: Cloud
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        kept = {**self.cloud.env, "PYTHONPATH": str(REPOSITORY), "WEB_TOKEN": CANARY}
        return {**kept, "HOME": str(self.folder.parent), **self.extra}

    def start(self, *arguments: str, wrap: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*wrap, sys.executable, "-m", "pipeline", *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, wrap: tuple[str, ...] = ()) -> CommandResult:
        return finish(self.start(*arguments, wrap=wrap))

    def bake(self, version: str = "1.0.0", *more: str) -> CommandResult:
        return self.run("--output", "json", "bake", "--version", version, *more)

    def write(self, text: str) -> None:
        (self.folder / "pipeline.toml").write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    def every_byte(self) -> bytes:
        """Return the names and contents of all files in the project."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return b"\0".join(str(path).encode() + path.read_bytes() for path in sorted(files))

    def left_in_cloud(self) -> dict[str, list[str]]:
        """Return the temporary resources of bakes, and the images, that exist in the cloud."""
        ec2 = self.cloud.aws("ec2")
        live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        reservations = ec2.describe_instances(Filters=[live])["Reservations"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        images = ec2.describe_images(Owners=["self"])["Images"]
        return {
            "instances": [i["InstanceId"] for r in reservations for i in r["Instances"]],
            "keys": [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]],
            "groups": [g["GroupName"] for g in groups if g["GroupName"] != "default"],
            "images": [image["ImageId"] for image in images],
        }


NOTHING: dict[str, list[str]] = {"instances": [], "keys": [], "groups": [], "images": []}


def finish(process: subprocess.Popen[str]) -> CommandResult:
    out, err = process.communicate(timeout=100)
    return CommandResult(code=process.returncode, out=out, err=err)


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read the progress up to a line that contains `text`."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} is not in the output:\n{read}")


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> CommandResult:
    process.send_signal(number)
    return finish(process)


def new_project(folder: Path, cloud: Cloud) -> Project:
    """Create a project with the sample application and a secret."""
    shutil.copytree(REPOSITORY / "packer", folder / "packer")
    shutil.copy(REPOSITORY / "pipeline.toml", folder)
    project = Project(folder=folder, cloud=cloud)
    project.edit("pipeline.toml", "# vars_from_env", "vars_from_env")
    return project


def alive(marker: str) -> list[int]:
    """Return the processes whose command line contains a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(entry.name))
    return found


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants before any of them can react."""
    tree = [pid]
    for parent in tree:
        children = Path(f"/proc/{parent}/task").glob("*/children")
        tree.extend(int(each) for path in children for each in path.read_text().split())
    for each in tree:
        os.kill(each, signal.SIGSTOP)
    for each in reversed(tree):
        os.kill(each, signal.SIGKILL)
