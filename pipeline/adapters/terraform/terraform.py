"""Terraform: verbs in, diagnostics out. The only home of python-terraform, which makes the argv.

python-terraform only builds command lines here. To run them it would pass our whole
environment on, leave the child in our process group, where a second Ctrl-C cuts an
apply in two, and know no deadline (ADR 0009); `process` runs them as it runs Packer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from pipeline.adapters.files.logs import appending, unwritable
from pipeline.adapters.process.process import INTERRUPT_ALONE, Command, capture, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.process.survivors import held
from pipeline.adapters.terraform.stream import LAST, Said, StreamReader, diagnostic
from pipeline.core.bake.model import Ending
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.terraform.root_module import Diagnostic

OLDEST = (1, 10)
GRACE = 120.0
"""Seconds it has to save its state in, once it was asked to end."""
SHORT = 120.0
"""Seconds a verb may take; `init` may download a provider, so it gets five times that."""
PLANNING = 900.0
"""Seconds a plan may take: it asks AWS of everything in the state."""
LOCK = "60s"
"""How long to wait for whoever holds the state, such as a person's own `terraform plan`."""

_NO_STATE = "No state file was found!"
_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+")
_ENDING = "interrupted: terraform finishes what it is at; once more ends it at once"
_INSTALL = "install Terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install"
# How Terraform finds and downloads things is the user's own affair. What else begins with TF_
# changes what it does or prints: arguments, variables, workspace, data folder, log.
_PASSED_ON = re.compile(
    r"TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_DIR|PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE|TOKEN_\w+"
    r"|REGISTRY_DISCOVERY_RETRY|REGISTRY_CLIENT_TIMEOUT|PROVIDER_DOWNLOAD_RETRY)"
)


@dataclass(kw_only=True)
class Terraform:
    """The `terraform` on PATH, run with an environment of our own making.

    To end, it is asked by one SIGINT, to its own process: it then cancels what it waits for and
    saves the state. `grace` is the time for that, in seconds. A signal to its group would
    end the provider in the middle of a creation, and a second one makes it give up
    (both tried on 1.11.4, docs/surprises.md).
    """

    environ: Mapping[str, str]
    log: Path
    report: Report
    interrupts: Interrupts
    grace: float = GRACE

    def program(self) -> str:
        """Return the path of Terraform; raises RefusedError where there is none."""
        found = shutil.which("terraform", path=self.environ.get("PATH"))
        if found is None:
            raise RefusedError("terraform", "no terraform on PATH", _INSTALL)
        return found

    def version(self) -> str:
        """Return Terraform's version; raises RefusedError where there is none, or it is too old."""
        command = self._command(_argv("version", json=True), Path.cwd())
        try:
            code, output = capture(command, timeout=SHORT, errors=False)
        except (FileNotFoundError, PermissionError) as error:
            raise RefusedError("terraform", "no terraform on PATH", _INSTALL) from error
        except TimeoutError as error:
            raise RefusedError("terraform version", str(error), _INSTALL) from error
        version = str(_first_document(output).get("terraform_version", ""))
        numbers = _VERSION.match(version)
        if code != 0 or not numbers:
            said = output.decode("utf-8", "replace")[-500:].strip()
            path = shutil.which("terraform", path=self.environ.get("PATH"))
            what = said or f"exit code {code}, no output"
            raise RefusedError(f"terraform version ({path})", what, _INSTALL)
        if (int(numbers[1]), int(numbers[2])) < OLDEST:
            what = f"Terraform {version} is older than 1.10, the first that locks a state in S3"
            raise RefusedError("terraform version", what, _INSTALL)
        return version

    def init(self, folder: Path, *, backend: bool = False) -> tuple[Diagnostic, ...]:
        """Install the modules and providers of a root module, `backend` and all or without.

        Returns what is wrong with it; without its backend, nothing is asked of AWS.
        """
        argv = _argv("init", backend=None if backend else False, input=False, json=True)
        code, output = self._run(argv, folder, timeout=5 * SHORT)
        lines = [_first_document(line) for line in output.splitlines()]
        said = [line["diagnostic"] for line in lines if isinstance(line.get("diagnostic"), dict)]
        return self._errors("init", folder, code, output, said)

    def validate(self, folder: Path) -> tuple[Diagnostic, ...]:
        """Return what is wrong with an initialised root module and the modules it calls."""
        code, output = self._run(_argv("validate", json=True), folder, timeout=SHORT)
        said = _first_document(output).get("diagnostics", [])
        return self._errors("validate", folder, code, output, said)

    def plan(
        self, folder: Path, file: Path, targets: Sequence[str] = (), *, locks: bool = True
    ) -> Said:
        """Plan into a file that only we can read; with `targets` nothing but these addresses.

        Without `locks` the caller holds the lock on the state.
        What went wrong is in the answer's `errors`. Raises RefusedError where Terraform
        failed without saying why, KeyboardInterrupt where a signal ended it.
        """
        # Terraform keeps the mode of a file that is there; a plan holds every input.
        file.touch(mode=0o600)
        name = file.relative_to(folder)
        options = {"json": True, "out": name, "input": False, **_locking(locks)}
        argv = _argv("plan", **options, target=list(targets))
        said, code = self._read(argv, folder, timeout=PLANNING)
        return self._explained("plan", folder, said, code)

    def apply(self, folder: Path, file: Path, *, timeout: float, locks: bool = True) -> Said:
        """Apply a saved plan, reporting each resource; what went wrong is in `errors`.

        Without `locks` the caller holds the lock on the state.
        Raises FailedError where it did not end within `timeout` seconds, KeyboardInterrupt where
        a signal ended it; the state is saved then, if the grace sufficed.
        """
        options = {"json": True, "input": False, **_locking(locks)}
        argv = _argv("apply", str(file.relative_to(folder)), **options)
        said, code = self._read(argv, folder, timeout=timeout, late=FailedError)
        return self._explained("apply", folder, said, code)

    def state(self, folder: Path) -> tuple[str, ...]:
        """Return the addresses of all that the state of an initialised root module knows."""
        code, output = self._run(_argv("state list", no_color=True), folder, timeout=SHORT)
        lines = output.decode("utf-8", "replace").splitlines()
        if code != 0 and lines and lines[0] == _NO_STATE:
            return ()
        if code != 0:
            raise self._failure("state list", folder, code, lines)
        return tuple(line for line in lines if line)

    def _read(
        self,
        argv: list[str],
        folder: Path,
        *,
        timeout: float,
        late: type[PipelineError] = RefusedError,
    ) -> tuple[Said, int]:
        reader = StreamReader(lambda text: self.report(Message(text=text)))
        code = self._stream(argv, folder, reader.feed, timeout=timeout, late=late)
        return reader.close(), code

    def _explained(self, verb: str, folder: Path, said: Said, code: int) -> Said:
        if code != 0 and not said.errors:
            raise self._failure(verb, folder, code, said.plain)
        return said

    def _errors(
        self, verb: str, folder: Path, code: int, output: bytes, said: list[dict[str, Any]]
    ) -> tuple[Diagnostic, ...]:
        found = tuple(diagnostic(each) for each in said if each.get("severity") == "error")
        if code != 0 and not found:
            lines = output.decode("utf-8", "replace").strip().split("\n")
            raise self._failure(verb, folder, code, lines)
        return found

    def _failure(self, verb: str, folder: Path, code: int, lines: Iterable[str]) -> PipelineError:
        """Return the error of a Terraform that failed without saying why as it should."""
        kind = FailedError if verb == "apply" else RefusedError
        words = [f"| {line}" for line in list(lines)[-LAST:] if line]
        return kind(
            f"terraform {verb} in {folder}",
            "\n".join([f"exit code {code}", *words]),
            f"read {self.log}",
        )

    def _run(self, argv: list[str], folder: Path, *, timeout: float) -> tuple[int, bytes]:
        output = bytearray()
        return self._stream(argv, folder, output.extend, timeout=timeout), bytes(output)

    def _stream(
        self,
        argv: list[str],
        folder: Path,
        on_output: Callable[[bytes], None],
        *,
        timeout: float,
        late: type[PipelineError] = RefusedError,
    ) -> int:
        """Run a verb to its end and return its exit code; all it prints goes to the log."""
        if self.interrupts.pending:
            raise KeyboardInterrupt
        where = f"terraform {_verb(argv)} in {folder}"
        self.report(Message(text=where))
        with appending(self.log) as write, held(self.log) as lock:
            try:
                write(f"$ {' '.join(argv)}\n".encode())
            except OSError as error:
                raise unwritable(self.log, error) from error

            def keep(chunk: bytes) -> None:
                # A full disk is no reason to cut an apply short.
                with suppress(OSError):
                    write(chunk)
                on_output(chunk)

            finished = stream(
                replace(self._command(argv, folder), kept=(lock,)),
                keep,
                interrupts=self.interrupts,
                timeout=timeout,
                grace=self.grace,
                ask=INTERRUPT_ALONE,
                on_interrupt=lambda: self.report(Message(text=_ENDING)),
            )
        match finished.ending:
            case Ending.INTERRUPTED:
                # Also inside a shield: what was asked for has not been done, or only in part.
                raise KeyboardInterrupt
            case Ending.TIMEOUT:
                what = f"did not end within {timeout:g} s"
                raise late(where, what, f"read {self.log}")
            case Ending.EXITED:
                return finished.code

    def _command(self, argv: list[str], cwd: Path) -> Command:
        return Command(argv=argv, cwd=cwd, env=self.environment())

    def environment(self) -> dict[str, str]:
        """Return what Terraform sees: our environment without what would change what it does."""
        kept = {
            name: value
            for name, value in self.environ.items()
            if not name.startswith("TF_") or _PASSED_ON.fullmatch(name)
        }
        # A workspace chosen by hand in the folder would be another state.
        ours = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "TF_WORKSPACE": "default"}
        return {**kept, **ours, "CHECKPOINT_DISABLE": "1"}


def _argv(verb: str, *arguments: str, **options: object) -> list[str]:
    """Return a command line; an option that is True is a flag, one that is None is left out."""
    from python_terraform import IsFlagged
    from python_terraform import Terraform as Builder

    # Its constructor reads the state file of whatever folder we are in; below /dev/null is none.
    make: Any = Builder  # it has no types
    builder = make(state=f"{os.devnull}/none")
    flags = {name: IsFlagged if value is True else value for name, value in options.items()}
    argv: list[str] = builder.generate_cmd_string(verb, *arguments, **flags)
    return argv


def _locking(locks: bool) -> dict[str, object]:
    return {"lock_timeout": LOCK} if locks else {"lock": False}


def _verb(argv: Sequence[str]) -> str:
    return " ".join(takewhile(lambda word: not word.startswith("-"), argv[1:]))


def _first_document(output: bytes) -> dict[str, Any]:
    """Return the first JSON object in what a verb printed; plain warnings may precede it."""
    text = output.decode("utf-8", "replace")
    for start in _line_starts(text):
        try:
            document, _ = json.JSONDecoder().raw_decode(text, start)
        except ValueError:
            continue
        if isinstance(document, dict):
            return document
    return {}


def _line_starts(text: str) -> Iterator[int]:
    return (found.start() for found in re.finditer(r"^\{", text, re.MULTILINE))
