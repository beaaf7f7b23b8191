"""Run Terraform's commands and return diagnostics; the only user of python-terraform.

python-terraform only builds the command lines. It would run them with this process's whole
environment, in its process group, where a second Ctrl-C interrupts an apply, and without a timeout
(ADR 0009). So `process` runs them, as it runs Packer.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.adapters.aws.credentials import ToolEnvironment, as_it_is, secrets_in
from pipeline.adapters.files.logs import appending, unwritable
from pipeline.adapters.process.process import INTERRUPT_ALONE, Command, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.process.survivors import shared_lock
from pipeline.adapters.terraform.program import find_program
from pipeline.adapters.terraform.provider.shared import Attachment, SharedProvider
from pipeline.adapters.terraform.stream import LAST_LINES, RunOutput, StreamReader, parse_diagnostic
from pipeline.core.bake.model import Ending
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Message, Report, ToolEnded
from pipeline.core.masking import MaskedOutput, Masker
from pipeline.core.terraform.encryption import encryption_remedy, passphrases
from pipeline.core.terraform.plan_guard import kind_of
from pipeline.core.terraform.program import ENCRYPTION, OPENTOFU, Program, ProgramChoice
from pipeline.core.terraform.root_module import Diagnostic
from pipeline.core.times import format_duration

GRACE = 120.0
"""Seconds that Terraform has to save its state after SIGINT."""
SHORT = 120.0
"""Seconds a short command may take; `init` may download a provider and gets five times that."""
PLANNING = 900.0
"""Seconds a plan may take: it reads every resource in the state from AWS."""
LOCK = "60s"
"""How long Terraform waits for a locked state, for example by a person's `terraform plan`."""

_NO_STATE = re.compile(r"^(Error: No state file was found|No state file was found!)$", re.MULTILINE)
"""OpenTofu's and Terraform's words; warnings about the CLI configuration may come first."""
# The user may configure how Terraform finds and downloads things. Other TF_ variables change what
# it does or prints: arguments, variables, workspace, data folder, log.
_PASSED_ON = re.compile(
    r"TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_DIR|PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE|TOKEN_\w+"
    r"|REGISTRY_DISCOVERY_RETRY|REGISTRY_CLIENT_TIMEOUT|PROVIDER_DOWNLOAD_RETRY)"
)


@dataclass(kw_only=True)
class Terraform:
    """Terraform or OpenTofu, run with a filtered environment.

    One SIGINT to its own process stops it: it cancels its operations and saves the state, for which
    it has `grace` seconds. A signal to its group would end the provider during a creation, and a
    second SIGINT makes it give up (both tested with 1.11.4, docs/development/surprises.md).
    Without `encrypts`, OpenTofu does not encrypt what it writes.
    """

    environ: Mapping[str, str]
    log: Path
    report: Report
    interrupts: Interrupts
    grace: float = GRACE
    credentials: ToolEnvironment = as_it_is
    choice: ProgramChoice = field(default_factory=ProgramChoice)
    encrypts: bool = True
    _found: Program | None = field(default=None, init=False)
    _finding: Lock = field(default_factory=Lock, init=False)

    def program(self) -> Program:
        """Return the program that runs; raises RefusedError if it is missing or unusable."""
        with self._finding:
            if self._found is None:
                environment = self.environment()
                self._found = find_program(self.choice, self.environ, environment, timeout=SHORT)
            return self._found

    @property
    def name(self) -> str:
        """How progress and errors name a command of the program: `terraform` or `tofu`."""
        return self.program().product.command

    def init(
        self,
        folder: Path,
        *,
        backend: bool = False,
        lockfile: str | None = None,
        upgrade: bool = False,
        reconfigure: bool = False,
        plugins: Path | None = None,
    ) -> tuple[Diagnostic, ...]:
        """Install the modules and providers of a root module, with or without its backend.

        Returns the errors. Without the backend Terraform makes no call to AWS. `lockfile` may be
        "readonly"; `upgrade` takes the newest versions instead of those in the lock file;
        `reconfigure` accepts other options of the backend. `plugins` is the only folder of
        providers then.
        """
        options = {
            "lockfile": lockfile,
            "upgrade": upgrade or None,
            "reconfigure": reconfigure or None,
            "plugin_dir": plugins,
        }
        argv = _argv("init", backend=None if backend else False, input=False, json=True, **options)
        code, output = self._run(argv, folder, timeout=5 * SHORT)
        lines = [_first_document(line) for line in output.splitlines()]
        found = [line["diagnostic"] for line in lines if isinstance(line.get("diagnostic"), dict)]
        return self._errors("init", folder, code, output, found)

    def lock_providers(self, folder: Path, platforms: Sequence[str]) -> bool:
        """Add the hashes of packages for these platforms to the lock file, from their registries.

        Returns False if that fails; the file is unchanged then. Terraform downloads each package.
        """
        argv = _argv("providers lock", platform=list(platforms), no_color=True)
        try:
            code, _ = self._run(argv, folder, timeout=5 * SHORT)
        except RefusedError:
            return False
        return code == 0

    def validate(self, folder: Path) -> tuple[Diagnostic, ...]:
        """Return the errors of an initialized root module and its modules."""
        code, output = self._run(_argv("validate", json=True), folder, timeout=SHORT)
        found = _first_document(output).get("diagnostics", [])
        return self._errors("validate", folder, code, output, found)

    def plan(
        self,
        folder: Path,
        file: Path,
        targets: Sequence[str] = (),
        *,
        locks: bool = True,
        refresh: bool = True,
        provider: SharedProvider | None = None,
    ) -> RunOutput:
        """Plan into a file with mode 0600; `targets` limits the plan to these addresses.

        Without `locks` the caller holds the lock on the state; without `refresh` the state is
        believed. The result's `errors` has the errors. If a shared `provider` dies, the plan is
        made again without it. Raises RefusedError if Terraform fails without an error message,
        KeyboardInterrupt if a signal ended it.
        """
        # Terraform keeps the mode of an existing file; a plan contains every input.
        file.touch(mode=0o600)
        name = file.relative_to(folder)
        options = {"json": True, "out": name, "input": False, **_locking(locks)}
        options |= {} if refresh else {"refresh": False}
        argv = _argv("plan", **options, target=list(targets))
        had_died = provider is None or provider.has_died
        output, code = self._read(argv, folder, timeout=PLANNING, provider=provider)
        if code != 0 and provider and provider.has_died and not had_died:
            output, code = self._read(argv, folder, timeout=PLANNING)
        return self._require_reason("plan", folder, output, code)

    def show(self, folder: Path, file: Path) -> dict[str, Any]:
        """Return a saved plan with the attributes of its resources, sensitive ones too.

        The log does not get them. Raises RefusedError if Terraform cannot read the plan.
        """
        argv = _argv("show", str(file.relative_to(folder)), json=True)
        output = bytearray()
        code = self._stream(argv, folder, output.extend, timeout=PLANNING, logged=False)
        document = _first_document(bytes(output))
        if code != 0 or not document:
            raise self._failure("show", folder, code, [])
        return document

    def apply(
        self,
        folder: Path,
        file: Path,
        *,
        timeout: float,
        locks: bool = True,
        provider: SharedProvider | None = None,
    ) -> RunOutput:
        """Apply a saved plan and report each resource; the result's `errors` has the errors.

        Without `locks` the caller holds the lock on the state; `provider` is a shared one. Raises
        FailedError after `timeout` seconds, KeyboardInterrupt if a signal ended it; the state is
        saved then, if the grace period was long enough.
        """
        options = {"json": True, "input": False, **_locking(locks)}
        argv = _argv("apply", str(file.relative_to(folder)), **options)
        output, code = self._read(
            argv, folder, timeout=timeout, late=FailedError, provider=provider
        )
        return self._require_reason("apply", folder, output, code)

    def state(self, folder: Path) -> tuple[str, ...]:
        """Return the addresses of the managed resources in the state of a root module."""
        code, output = self._run(_argv("state list", no_color=True), folder, timeout=SHORT)
        lines = output.decode("utf-8", "replace").splitlines()
        if code != 0 and _NO_STATE.search("\n".join(lines)):
            return ()
        if code != 0:
            raise self._failure("state list", folder, code, lines)
        return tuple(line for line in lines if kind_of(line))

    def _read(
        self,
        argv: list[str],
        folder: Path,
        *,
        timeout: float,
        late: type[PipelineError] = RefusedError,
        provider: SharedProvider | None = None,
    ) -> tuple[RunOutput, int]:
        reader = StreamReader(lambda text: self.report(Message(text=text)))
        code = self._stream(
            argv, folder, reader.feed, timeout=timeout, late=late, provider=provider
        )
        return reader.close(), code

    def _require_reason(self, verb: str, folder: Path, output: RunOutput, code: int) -> RunOutput:
        """Return the output; raise an error if Terraform failed without an error message."""
        if code != 0 and not output.errors:
            raise self._failure(verb, folder, code, output.plain)
        return output

    def _errors(
        self, verb: str, folder: Path, code: int, output: bytes, events: list[dict[str, Any]]
    ) -> tuple[Diagnostic, ...]:
        found = tuple(parse_diagnostic(each) for each in events if each.get("severity") == "error")
        if code != 0 and not found:
            lines = output.decode("utf-8", "replace").strip().split("\n")
            raise self._failure(verb, folder, code, lines)
        return found

    def _failure(self, verb: str, folder: Path, code: int, lines: Iterable[str]) -> PipelineError:
        """Return the error about a Terraform that failed without an error message."""
        kind = FailedError if verb == "apply" else RefusedError
        output = list(lines)
        words = [f"| {line}" for line in output[-LAST_LINES:] if line]
        return kind(
            f"{self.name} {verb} in {folder}",
            "\n".join([f"exit code {code}", *words]),
            encryption_remedy(" ".join(output), self.program()) or f"read {self.log}",
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
        logged: bool = True,
        provider: SharedProvider | None = None,
    ) -> int:
        """Run a command to its end and return its exit code; its output goes to the log."""
        if self.interrupts.pending:
            raise KeyboardInterrupt
        where = f"{self.name} {_verb(argv)} in {folder}"
        self.report(Message(text=where))
        command = self._command(argv, folder, timeout)
        began = time.monotonic()
        masker = Masker((*secrets_in(command.env), *passphrases(command.env)))
        attached = provider.attached(command.env) if provider else nullcontext(Attachment())
        with appending(self.log) as write, shared_lock(self.log) as lock, attached as use:
            try:
                write(f"$ {' '.join([self.name, *argv[1:]])}\n".encode())
            except OSError as error:
                raise unwritable(self.log, error) from error

            def keep(chunk: bytes) -> None:
                # A full disk must not interrupt an apply.
                with suppress(OSError):
                    write(chunk if logged else b"")
                on_output(chunk)

            masked = MaskedOutput(masker, keep)
            finished = stream(
                replace(command, env={**command.env, **use.variables}, kept=(lock, *use.kept)),
                masked.feed,
                interrupts=self.interrupts,
                timeout=timeout,
                grace=self.grace,
                stop=INTERRUPT_ALONE,
                on_interrupt=self._report_stopping,
            )
            masked.close()
            use.succeeded = finished.ending is Ending.EXITED and finished.code == 0
        took, verb = time.monotonic() - began, _verb(argv)
        self.report(ToolEnded(tool=self.name, command=verb, seconds=took, code=finished.code))
        match finished.ending:
            case Ending.INTERRUPTED:
                # Also in a block that defers signals: the command was not executed to its end.
                raise KeyboardInterrupt
            case Ending.TIMEOUT:
                what = f"did not end within {format_duration(timeout)}"
                raise late(where, what, f"read {self.log}")
            case Ending.EXITED:
                return finished.code

    def _report_stopping(self) -> None:
        name = self.program().product.name
        text = f"waiting for {name} to finish; press Ctrl-C again to kill it"
        self.report(Message(text=text))

    def _command(self, argv: list[str], cwd: Path, timeout: float) -> Command:
        found = self.program()
        env = self._full_environment(timeout) if _calls_aws(argv) else self.environment()
        if found.product is OPENTOFU and self.encrypts and ENCRYPTION in self.environ:
            env[ENCRYPTION] = self.environ[ENCRYPTION]
        return Command(argv=[found.path, *argv[1:]], cwd=cwd, env=env)

    def planning_environment(self) -> dict[str, str]:
        """Return the environment that a plan has now, with its credentials."""
        return dict(self._command(["terraform", "plan"], Path(), PLANNING).env)

    def _full_environment(self, timeout: float) -> dict[str, str]:
        return dict(self.credentials(self.environment(), timeout))

    def environment(self) -> dict[str, str]:
        """Return the environment for Terraform, without variables that change what it does."""
        kept = {
            name: value
            for name, value in self.environ.items()
            if not name.startswith("TF_") or _PASSED_ON.fullmatch(name)
        }
        # Another workspace, selected by hand in the folder, would mean another state.
        fixed = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "TF_WORKSPACE": "default"}
        return {**kept, **fixed, "CHECKPOINT_DISABLE": "1"}


def _argv(verb: str, *arguments: str, **options: object) -> list[str]:
    """Return a command line; an option with True is a flag, one with None is left out."""
    from python_terraform import IsFlagged
    from python_terraform import Terraform as Builder

    # Its constructor reads a state file of the current folder; there is none below /dev/null.
    make: Any = Builder  # it has no type hints
    builder = make(state=f"{os.devnull}/none")
    flags = {name: IsFlagged if value is True else value for name, value in options.items()}
    argv: list[str] = builder.generate_cmd_string(verb, *arguments, **flags)
    return argv


def _calls_aws(argv: Sequence[str]) -> bool:
    """Return True if a command needs AWS: `validate`, and `init` without its backend, do not."""
    verb = _verb(argv)
    return verb in {"plan", "apply", "state list"} or (
        verb == "init" and "-backend=false" not in argv
    )


def _locking(locks: bool) -> dict[str, object]:
    return {"lock_timeout": LOCK} if locks else {"lock": False}


def _verb(argv: Sequence[str]) -> str:
    return " ".join(takewhile(lambda word: not word.startswith("-"), argv[1:]))


def _first_document(output: bytes) -> dict[str, Any]:
    """Return the first JSON object in the output; plain warnings may precede it."""
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
