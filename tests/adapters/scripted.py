"""A `packer` or `terraform` that does what a test says, and remembers how it was called."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.core.image import NO_ITEMS

CAPTURES = Path(__file__).parents[1] / "captures/terraform-1.11.4"
VERSION = b"1,,version,1.6.6\n1,,version-prelease,\n1,,version-commit,\n1,,ui,say,Packer v1.6.6\n"

_PROGRAM = """#!{python} -SsE
import json, os, signal, stat, sys, time

folder = os.path.dirname(os.path.abspath(__file__))
verb = sys.argv[1]
call = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
for argument in sys.argv:
    if argument.startswith("-var-file="):
        path = argument.partition("=")[2]
        call["variables"] = json.load(open(path))
        call["var_file"] = path
        call["mode"] = stat.S_IMODE(os.stat(path).st_mode)
        call["folder_mode"] = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
call["files"] = {{}}
for name in os.listdir():
    if name.endswith(".tf.json"):
        call["files"][name] = json.load(open(name))
with open(os.path.join(folder, "calls"), "a") as calls:
    calls.write(json.dumps(call) + "\\n")
script = json.load(open(os.path.join(folder, verb + ".json")))
output = open(os.path.join(folder, verb + ".out"), "rb").read()
if os.path.exists(os.path.join(folder, verb + ".then")):
    os.replace(os.path.join(folder, verb + ".then"), os.path.join(folder, verb + ".out"))
for variable, text in script["writes"].items():
    name, dash, build = variable.partition("-")
    with open(call["variables"][name] + dash + build, "w") as file:
        file.write(text)
pause = script["interrupted_before"].encode()
before, found, after = output.partition(pause) if pause else (output, b"", b"")
told = []


def arrived(number, _frame):
    told.append(number)
    with open(os.path.join(folder, "signals"), "a") as signals:
        signals.write(signal.Signals(number).name + "\\n")


for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, arrived)
for argument in sys.argv:
    if argument.startswith("-out="):
        path = argument.partition("=")[2]
        open(path, "w").write("planned")
if script["leaves"]:
    open(script["leaves"], "w").close()
sys.stdout.buffer.write(before)
sys.stdout.flush()
if found:
    os.kill(os.getppid(), signal.SIGINT)
if found or script["hangs"]:
    while not told:
        time.sleep(0.01)
if script["deaf"]:
    signal.pause()
    signal.pause()
sys.stdout.buffer.write(found + after)
sys.stdout.flush()
if script["code"] < 0:
    os.kill(os.getpid(), -script["code"])
sys.exit(script["code"])
"""


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """The program and what it is to answer; without a script for a verb it fails."""

    folder: Path

    @classmethod
    def named(cls, name: str, folder: Path) -> Self:
        """Write the program into a new folder."""
        folder.mkdir()
        program = folder / name
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        return cls(folder=folder)

    def on(
        self,
        verb: str,
        output: bytes,
        *,
        code: int = 0,
        hangs: bool = False,
        interrupted_before: bytes = b"",
        writes: Mapping[str, str] = NO_ITEMS,
        leaves: str = "",
        deaf: bool = False,
        then: bytes = b"",
    ) -> None:
        """Say what a verb prints and how it ends.

        `hangs` waits for SIGTERM or SIGINT after the output; `interrupted_before` sends SIGINT to
        its starter when it comes to these bytes, and waits for one; `deaf` goes on then
        until it is killed. `leaves` names a file that it makes where it runs. `writes` has the text
        of each file whose path a variable has; after a dash, more of its name. `then` is what it
        prints from the second call on, if that differs.
        """
        script: dict[str, Any] = {
            "code": code,
            "hangs": hangs,
            "interrupted_before": interrupted_before.decode(),
            "writes": dict(writes),
            "leaves": leaves,
            "deaf": deaf,
        }
        (self.folder / f"{verb}.json").write_text(json.dumps(script))
        (self.folder / f"{verb}.out").write_bytes(output)
        if then:
            (self.folder / f"{verb}.then").write_bytes(then)

    @property
    def path(self) -> str:
        """A PATH on which this program comes first."""
        return f"{self.folder}{os.pathsep}{os.defpath}"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """How it was called, in order, without the questions about its version."""
        return [call for call in self.calls if call["argv"][0] != "version"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """How it was called, in order."""
        log = self.folder / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def signals(self) -> list[str]:
        """The signals it got, over all calls."""
        log = self.folder / "signals"
        return log.read_text().split() if log.exists() else []

    def call(self, verb: str) -> dict[str, Any]:
        """Return the one call of a verb."""
        [call] = [call for call in self.calls if call["argv"][0] == verb]
        return call


class ScriptedPacker(Scripted):
    """A `packer` that knows its version and finds nothing wrong."""

    @classmethod
    def make(cls, folder: Path) -> ScriptedPacker:
        """Write the program into a new folder."""
        packer = cls.named("packer", folder)
        packer.on("version", VERSION)
        packer.on("inspect", b"")
        packer.on("validate", b"")
        return packer


class ScriptedTerraform(Scripted):
    """A `terraform` that knows its version and finds nothing wrong."""

    @classmethod
    def make(cls, folder: Path) -> ScriptedTerraform:
        """Write the program into a new folder."""
        terraform = cls.named("terraform", folder)
        terraform.on("version", b"Terraform v1.11.4\non linux_amd64\n")
        terraform.on("init", b'{"@level":"info","type":"version","terraform":"1.11.4"}\n')
        terraform.on("validate", b'{\n  "valid": true,\n  "diagnostics": []\n}\n')
        return terraform

    def rehearses(self, module: str, environment: str = "staging") -> None:
        """Have the two plans of a module's rehearsal: `fulfills` or `breaks` the contract."""
        first, second = (
            captured(f"module-{module}-{number}.json").replace(b"staging", environment.encode())
            for number in (1, 2)
        )
        self.on("plan", captured("launch.log"))
        self.on("show", first, then=second)


def captured(name: str) -> bytes:
    """Return what real Terraform printed."""
    return (CAPTURES / name).read_bytes()


def inspected(variables: tuple[str, ...], builds: tuple[str, ...]) -> bytes:
    """Return what `packer inspect -machine-readable` prints for an old JSON template."""
    lines = [
        "1,,ui,say,Packer Inspect: JSON mode",
        *(f"1,,template-variable,{name},,0" for name in variables),
        *(f"1,,template-builder,{name},amazon-ebs" for name in builds),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def inspected_hcl(variables: tuple[str, ...], builds: tuple[str, ...]) -> bytes:
    """Return what `packer inspect -machine-readable` prints for an HCL2 template."""
    inputs = "".join(f'var.{name}: "x"\\n' for name in variables)
    opened = "\\n\\n  > <unnamed build 0>:\\n\\n    sources:\\n\\n"
    closed = "\\n    provisioners:\\n\\n      <no provisioner>\\n\\n"
    sources = "".join(f"      {build}\\n" for build in builds)
    lines = [
        "1,,ui,say,Packer Inspect: HCL2 mode\\n",
        f"1,,ui,say,> input-variables:\\n\\n{inputs}\\n> local-variables:\\n\\n",
        f"1,,ui,say,> builds:{opened}{sources}{closed}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()
