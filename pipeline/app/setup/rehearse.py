"""`init --rehearse`: run the first bake and promotion on the local cloud, as typed commands."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.adapters.files import starter
from pipeline.adapters.process.process import Command, capture, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.core import commands
from pipeline.core.bake.model import Ending
from pipeline.core.errors import FailedError, InterruptedRunError, RefusedError
from pipeline.core.starter import rehearsal
from pipeline.core.starter.rehearsal import Done, Plan, Rehearsal, Step

CONFIGURATION = "pipeline.toml"
VALUES = "terraform/stack/terraform.tfvars"
API_PORT = 5700
LONGEST_STEP = 1800.0
GRACE = 60.0
LAST_LINES = 20
AGAIN = commands.rehearse()
_VARIABLES = b"-- variables of the rehearsal --"
_NEW_PACKER = (1, 7)
Say = Callable[[str], None]


@dataclass(kw_only=True)
class Shell:
    """Runs lines one after another; `environ` is what the lines before have set."""

    folder: Path
    environ: dict[str, str]
    interrupts: Interrupts
    say: Say
    done: list[Done] = field(default_factory=list)

    def run(self, step: Step) -> str:
        """Print a line and run it; return its output. Raises FailedError with its last lines."""
        self.say(f"$ {step.line}")
        began = time.monotonic()
        output = _Output(None if step.sets else self.say, step.shown)
        printed = f"{step.line}\nprintf '\\n%s' '{_VARIABLES.decode()}'; env -0"
        ended = stream(
            Command(
                argv=["sh", "-ec", printed if step.sets else step.line],
                cwd=self.folder,
                env=self.environ,
            ),
            output.take,
            interrupts=self.interrupts,
            timeout=LONGEST_STEP,
            grace=GRACE,
        )
        if ended.ending is Ending.INTERRUPTED:
            raise KeyboardInterrupt
        text, _, variables = output.data.partition(_VARIABLES)
        if ended.code:
            raise _failed(step, text, ended.code)
        if step.sets:
            self.environ = _environment(variables)
        self.done.append(Done(name=step.line, seconds=time.monotonic() - began))
        return text.decode(errors="replace").strip()


class _Output:
    """Keeps the output of a step and passes on the whole lines that a person sees, indented."""

    def __init__(self, say: Say | None, shown: str) -> None:
        self.data = b""
        self._say = say
        self._shown = re.compile(shown)
        self._end = 0

    def take(self, chunk: bytes) -> None:
        """Add a part of the output."""
        self.data += chunk
        end = self.data.rfind(b"\n") + 1
        text = self.data[self._end : end].decode(errors="replace")
        self._end = max(self._end, end)
        for line in text.splitlines():
            if self._say and self._shown.search(line):
                self._say(f"  {line}".rstrip())


def rehearse(folder: Path, *, say: Say, keep: bool) -> Rehearsal:
    """Bake and promote the service of a folder on a local cloud, and request it.

    The local cloud is stopped at the end, after a failure too, unless `keep`. Raises FailedError
    with the last lines of the step that failed.
    """
    document, plan = _prepared(folder)
    require_programs("packer", plan.program, "curl")
    interrupts = Interrupts()
    interrupts.install()
    shell = Shell(folder=folder, environ=_started(), interrupts=interrupts, say=say)
    try:
        # A signal stops the step that runs; between two steps, it stops the next one at once.
        with interrupts.held():
            found, kept = _run(shell, plan, document, keep=keep)
    except KeyboardInterrupt:
        what = "interrupted by a signal; the local cloud was stopped"
        raise InterruptedRunError("the rehearsal", what, AGAIN) from None
    return Rehearsal(
        url=found[0],
        answer=found[1],
        steps=tuple(step for step in shell.done if not step.name.startswith("export")),
        kept=rehearsal.kept_commands() if kept else (),
    )


def _run(
    shell: Shell, plan: Plan, document: dict[str, Any], *, keep: bool
) -> tuple[tuple[str, str], bool]:
    """Run all steps; return the URL with its answer, and whether the local cloud still runs."""
    shell.run(rehearsal.home())
    _clear(shell)
    _write(shell.folder, document)
    kept = False
    try:
        shell.run(rehearsal.up(plan))
        found = _deploy(shell, plan)
        kept = keep
    finally:
        if not kept:
            stop(shell)
    return found, kept


def require_programs(*names: str) -> None:
    """Raise RefusedError if a program is missing, before minutes have passed."""
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        what = f"not on PATH: {', '.join(missing)}"
        remedy = f"install it, as this page says: {commands.docs('getting-started')}"
        raise RefusedError("the rehearsal", what, remedy)


def stop(shell: Shell) -> None:
    """Stop the local cloud, whatever signals arrive: it would serve for good otherwise.

    A failure does not hide the error of the step before.
    """
    deaf = replace(shell, interrupts=Interrupts())
    with shell.interrupts.held():
        try:
            deaf.run(rehearsal.down())
        except FailedError as error:
            shell.say(str(error))
        shell.interrupts.answer()


def _deploy(shell: Shell, plan: Plan) -> tuple[str, str]:
    """Create the network, bake, promote and request; return the URL and its answer."""
    shell.run(rehearsal.point())
    for step in (*rehearsal.network(plan), *rehearsal.deployment(plan)):
        shell.run(step)
    url = _url(shell, plan)
    return url + plan.path, shell.run(rehearsal.request(url, plan.path))


def _url(shell: Shell, plan: Plan) -> str:
    argv = [plan.program, f"-chdir={rehearsal.STACK}", "output", "-raw", "url"]
    command = Command(argv=argv, cwd=shell.folder, env=shell.environ)
    code, output = capture(command, timeout=GRACE)
    if code:
        raise _failed(Step(line=" ".join(argv)), output, code)
    return output.decode().strip()


def _prepared(folder: Path) -> tuple[dict[str, Any], Plan]:
    """Read and check pipeline.toml, and return it with what the steps need."""
    path = folder / CONFIGURATION
    settings = config.load(path, with_files=True)
    document = config.document(path)
    values = settings.bake.vars
    sample = not values.get("files") and (folder / "packer/provision/unit/server.py").exists()
    program = settings.terraform.program or ("terraform" if shutil.which("terraform") else "tofu")
    return document, Plan(
        app=settings.app,
        environment=next(iter(settings.environments), "staging"),
        port=int(str(values.get("port", "8080"))),
        path="/" if sample else _health(folder),
        api_port=_free_port(),
        program=program,
        packer_init=_packer_init(folder, str(settings.bake.template)),
    )


def _health(folder: Path) -> str:
    """Return the path of the health check that terraform.tfvars names, else the default."""
    from pipeline.adapters.packer.hcl import parse

    inner = parse(_values(folder).get("health_check", "").strip().strip("{}")).arguments
    return inner.get("path", "/health").strip('"')


def _values(folder: Path) -> Mapping[str, str]:
    """Return the values of the stack's variables, as they are written."""
    from pipeline.adapters.packer.hcl import parse

    file = folder / VALUES
    return parse(file.read_text(encoding="utf-8")).arguments if file.exists() else {}


def _packer_init(folder: Path, template: str) -> str:
    """Return what `packer init` has to read; empty if this Packer has its plugins built in."""
    if (folder / "packer/init").is_dir() and template == "packer/app.pkr.hcl":
        wanted = "packer/init"
    elif template.endswith(".json"):
        return ""
    else:
        wanted = template
    try:
        command = Command(argv=["packer", "version"], cwd=folder, env=dict(os.environ))
        _, output = capture(command, timeout=GRACE)
    except OSError:
        return ""  # the bake says that Packer is missing
    numbers = output.decode(errors="replace").partition("v")[2].split(".")[:2]
    version = tuple(int(each) for each in numbers if each.isdigit())
    return wanted if version >= _NEW_PACKER else ""


def _free_port() -> int:
    """Return the usual port of a local cloud, or a free one if another cloud has it."""
    for port in (API_PORT, 0):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return API_PORT


def _started() -> dict[str, str]:
    """Return the environment of the first step, in which `ami-pipeline` is this program."""
    own = str(Path(sys.executable).parent)
    environ = dict(os.environ)
    environ["PATH"] = os.pathsep.join([own, environ.get("PATH", os.defpath)])
    return environ


def _clear(shell: Shell) -> None:
    """Remove what an earlier rehearsal left, its local cloud first."""
    left = shell.folder / rehearsal.FOLDER
    if (left / "cloud").exists():
        shell.run(rehearsal.down())
    shutil.rmtree(left, ignore_errors=True)


def _write(folder: Path, document: dict[str, Any]) -> None:
    """Write the stack and the configuration of the rehearsal."""
    stack = folder / rehearsal.STACK
    for path, text, _ in starter.shipped_files("terraform/stack", "*.tf"):
        starter.write_text(stack / path, text)
    provider = starter.render("provider.tf", {"region": document["region"]})
    starter.write_text(stack / "provider.tf", provider)
    starter.write_text(folder / ".ami-pipeline/.gitignore", "*\n")
    own = folder / VALUES
    if own.exists():
        starter.write_text(stack / own.name, own.read_text(encoding="utf-8"))
    kept = rehearsal.configuration(document).items()
    lines = [f"{starter.as_key(key)} = {starter.as_toml(value)}" for key, value in kept]
    heading = f"# Written by `{AGAIN}`; it may be deleted."
    starter.write_text(folder / rehearsal.CONFIGURATION, "\n".join([heading, *lines, "", ""]))


def _environment(variables: bytes) -> dict[str, str]:
    pairs = (os.fsdecode(each).partition("=") for each in variables.split(b"\0") if each)
    return {name: value for name, _, value in pairs}


def _failed(step: Step, output: bytes, code: int) -> FailedError:
    lines = output.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
    text = "\n".join([*lines, f"(exit code {code})"])
    return FailedError(step.line, text, f"fix the cause above, then: {AGAIN}")
