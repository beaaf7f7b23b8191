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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adapters.interrupts import Interrupts
from pipeline.adapters.logs import appending
from pipeline.adapters.process import Command, capture, stream
from pipeline.core.errors import RefusedError
from pipeline.core.events import Noted, Report
from pipeline.core.model import Ending
from pipeline.core.root import Diagnostic

OLDEST = (1, 10)
SHORT = 120.0
"""Seconds a verb may take; `init` may download a provider, so it gets five times that."""
GRACE = 30.0

_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+")
_INSTALL = "install Terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install"
# How Terraform finds and downloads things is the user's own affair. What else begins with TF_
# changes what it does or prints: arguments, variables, workspace, data folder, log.
_PASSED_ON = re.compile(
    r"TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_DIR|PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE|TOKEN_\w+"
    r"|REGISTRY_DISCOVERY_RETRY|REGISTRY_CLIENT_TIMEOUT|PROVIDER_DOWNLOAD_RETRY)"
)


@dataclass(kw_only=True)
class Terraform:
    """The `terraform` on PATH, run with an environment of our own making."""

    environ: Mapping[str, str]
    log: Path
    report: Report
    interrupts: Interrupts

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

    def init(self, folder: Path) -> tuple[Diagnostic, ...]:
        """Install the modules and providers of a root module, without its backend.

        Returns what is wrong with it; nothing is asked of AWS.
        """
        argv = _argv("init", backend=False, input=False, json=True)
        code, output = self._run(argv, folder, timeout=5 * SHORT)
        lines = [_first_document(line) for line in output.splitlines()]
        said = [line["diagnostic"] for line in lines if isinstance(line.get("diagnostic"), dict)]
        return self._errors("init", folder, code, output, said)

    def validate(self, folder: Path) -> tuple[Diagnostic, ...]:
        """Return what is wrong with an initialised root module and the modules it calls."""
        code, output = self._run(_argv("validate", json=True), folder, timeout=SHORT)
        said = _first_document(output).get("diagnostics", [])
        return self._errors("validate", folder, code, output, said)

    def _errors(
        self, verb: str, folder: Path, code: int, output: bytes, said: list[dict[str, Any]]
    ) -> tuple[Diagnostic, ...]:
        found = tuple(_diagnostic(each) for each in said if each.get("severity") == "error")
        if code != 0 and not found:
            words = output.decode("utf-8", "replace").strip().split("\n")[-10:]
            raise RefusedError(
                f"terraform {verb} in {folder}",
                "\n".join([f"exit code {code}", *(f"| {line}" for line in words if line)]),
                f"read {self.log}",
            )
        return found

    def _run(self, argv: list[str], folder: Path, *, timeout: float) -> tuple[int, bytes]:
        output = bytearray()
        self.report(Noted(text=f"terraform {argv[1]} in {folder}"))
        with appending(self.log) as write:
            write(f"$ {' '.join(argv)}\n".encode())

            def keep(chunk: bytes) -> None:
                output.extend(chunk)
                write(chunk)

            command = self._command(argv, folder)
            finished = stream(
                command, keep, interrupts=self.interrupts, timeout=timeout, grace=GRACE
            )
        if finished.ending is Ending.TIMEOUT:
            raise RefusedError(
                f"terraform {argv[1]} in {folder}",
                f"did not end within {timeout:g} s",
                f"read {self.log}",
            )
        return finished.code, bytes(output)

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


def _argv(verb: str, **options: object) -> list[str]:
    """Return a command line; an option that is True is a flag."""
    from python_terraform import IsFlagged
    from python_terraform import Terraform as Builder

    # Its constructor reads the state file of whatever folder we are in; below /dev/null is none.
    make: Any = Builder  # it has no types
    builder = make(state=f"{os.devnull}/none")
    flags = {name: IsFlagged if value is True else value for name, value in options.items()}
    argv: list[str] = builder.generate_cmd_string(verb, **flags)
    return argv


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


def _diagnostic(said: Mapping[str, Any]) -> Diagnostic:
    place = said.get("range") or {}
    return Diagnostic(
        summary=str(said.get("summary", "")),
        detail=str(said.get("detail", "")),
        file=str(place.get("filename", "")),
        line=int(place.get("start", {}).get("line", 0)),
    )
