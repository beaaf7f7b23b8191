"""A `packer` or `terraform` that does what a test says, and remembers how it was called."""

from __future__ import annotations

import io
import json
import marshal
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.core.image import NO_ITEMS

CAPTURES = Path(__file__).parents[1] / "captures/terraform-1.11.4"
VERSION = b"1,,version,1.6.6\n1,,version-prelease,\n1,,version-commit,\n1,,ui,say,Packer v1.6.6\n"

# It loads what is built in alone: it starts a thousand times, and `json` takes longer than Python.
_PROGRAM = """#!{python} -IS
import _signal, marshal, posix, sys, time

folder = {folder!r}
verb = sys.argv[1]
call = {{"argv": sys.argv[1:], "cwd": posix.getcwd(), "env": dict(posix.environ)}}
for argument in sys.argv:
    if argument.startswith("-var-file="):
        path = argument.partition("=")[2]
        call["variables"] = open(path, "rb").read()
        call["var_file"] = path
        call["mode"] = posix.stat(path).st_mode & 0o7777
        call["folder_mode"] = posix.stat(path.rpartition("/")[0] or ".").st_mode & 0o7777
call["files"] = {{}}
for name in posix.listdir():
    if name.endswith(".tf.json"):
        call["files"][name] = open(name, "rb").read()
with open(folder + "/calls", "ab") as calls:
    calls.write(marshal.dumps(call))
try:
    script = marshal.load(open(folder + "/" + verb + ".script", "rb"))
except FileNotFoundError:
    sys.exit("no script for " + verb)
output = script["output"]
if script["then"] and posix.access(folder + "/" + verb + ".again", 0):
    output = script["then"]
open(folder + "/" + verb + ".again", "w").close()
for variable, text in script["writes"].items():
    import json

    name, dash, build = variable.partition("-")
    with open(json.loads(call["variables"])[name] + dash + build, "w") as file:
        file.write(text)
pause = script["interrupted_before"]
before, found, after = output.partition(pause) if pause else (output, b"", b"")
told = []


def arrived(number, _frame):
    told.append(number)
    with open(folder + "/signals", "a") as signals:
        signals.write({{_signal.SIGTERM: "SIGTERM", _signal.SIGINT: "SIGINT"}}[number] + "\\n")


for number in (_signal.SIGTERM, _signal.SIGINT):
    _signal.signal(number, arrived)
for argument in sys.argv:
    if argument.startswith("-out="):
        path = argument.partition("=")[2]
        open(path, "w").write("planned")
if script["leaves"]:
    open(script["leaves"], "w").close()
sys.stdout.buffer.write(before)
sys.stdout.flush()
if found:
    posix.kill(posix.getppid(), _signal.SIGINT)
if found or script["hangs"]:
    while not told:
        time.sleep(0.01)
if script["deaf"]:
    _signal.pause()
    _signal.pause()
sys.stdout.buffer.write(found + after)
sys.stdout.flush()
if script["code"] < 0:
    posix.kill(posix.getpid(), -script["code"])
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
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder.resolve())))
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
            "interrupted_before": interrupted_before,
            "writes": dict(writes),
            "leaves": leaves,
            "deaf": deaf,
            "output": output,
            "then": then,
        }
        (self.folder / f"{verb}.script").write_bytes(marshal.dumps(script))
        (self.folder / f"{verb}.again").unlink(missing_ok=True)

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
        return list(_calls(io.BytesIO(log.read_bytes()))) if log.exists() else []

    @property
    def signals(self) -> list[str]:
        """The signals it got, over all calls."""
        log = self.folder / "signals"
        return log.read_text().split() if log.exists() else []

    def call(self, verb: str) -> dict[str, Any]:
        """Return the one call of a verb."""
        [call] = [call for call in self.calls if call["argv"][0] == verb]
        return call


def _calls(log: io.BytesIO) -> Iterator[dict[str, Any]]:
    """Yield what the program has written, with the JSON of variables and files decoded."""
    while log.tell() < len(log.getvalue()):
        call = marshal.load(log)  # noqa: S302  written by the program above
        call["env"] = {os.fsdecode(key): os.fsdecode(value) for key, value in call["env"].items()}
        call["files"] = {name: json.loads(text) for name, text in call["files"].items()}
        if "variables" in call:
            call["variables"] = json.loads(call["variables"])
        yield call


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
