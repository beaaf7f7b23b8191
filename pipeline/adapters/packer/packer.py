"""Run Packer; the only module that knows its command line.

Variables are passed in a JSON file with mode 0600 that is deleted afterwards, never on the command
line, where `ps` would show them. docs/development/surprises.md records Packer's behavior.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.adapters.aws.credentials import ToolEnvironment, as_it_is, secrets_in
from pipeline.adapters.files.logs import appending
from pipeline.adapters.packer.arguments import (
    inputs,
    known_variables,
    private_folder,
    variable_files,
    with_places,
)
from pipeline.adapters.packer.build_locks import log_of
from pipeline.adapters.packer.build_names import BuildNames
from pipeline.adapters.packer.inspection import parse_inspection, read_manifest, read_package_lists
from pipeline.adapters.packer.masked_names import unmasked_template
from pipeline.adapters.packer.source_filters import readable_filters
from pipeline.adapters.packer.stream import Stream, StreamReader
from pipeline.adapters.packer.template_source import (
    TemplateSource,
    read_source,
    undeclared_uploads,
)
from pipeline.adapters.process.process import Command, capture, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.builds import expected_builds
from pipeline.core.bake.model import BakeRequest, BuildReport, BuildResources, Ending, Template
from pipeline.core.bake.remedies.of_machine import init_remedy, machine_remedy
from pipeline.core.bake.remedies.of_template import (
    is_missing_plugin,
    is_of_template,
    template_remedy,
)
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.events import BuildEnded, BuildStarted, Report, StepBegan
from pipeline.core.masking import Masker

OLDEST = (1, 6, 6)
WITH_INIT = (1, 7, 0)
EVALUATES = (1, 8, 5)
"""From here on `validate` evaluates data sources if asked; `inspect` always does, `build` too."""
SHORT = 120.0
"""Seconds a short command may take."""
CALLING = 5 * SHORT
"""Seconds for a command that downloads plugins, or evaluates data sources: an AWS SDK repeats."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_NOT_PASSED_ON = re.compile(r"PACKER_LOG(_PATH)?|PACKER_NO_COLOR|PACKER_RUN_UUID")


@dataclass(kw_only=True)
class Packer:
    """The `packer` on PATH, run with a filtered environment.

    `environ` has this process's environment variables. `hidden` names those that hold secrets and
    reach Packer only in the variables file. A build calls AWS and gets `credentials`; so do the
    other commands if the template has data sources.
    """

    environ: Mapping[str, str]
    logs: Path
    cache: Path
    report: Report
    interrupts: Interrupts
    masker: Masker = field(default_factory=Masker)
    hidden: frozenset[str] = frozenset()
    credentials: ToolEnvironment = as_it_is
    _version: str = ""

    def version(self) -> str:
        """Return Packer's version; the program runs once.

        Raises RefusedError if Packer is missing or too old, or if `packer` is another program
        (cracklib's, on RPM systems).
        """
        self._version = self._version or self._read_version()
        return self._version

    def _read_version(self) -> str:
        code, output = self._run(["version", "-machine-readable"], Path.cwd())
        records = dict(_read(output).records)
        version = next(iter(records.get("version", ())), "")
        if code != 0 or not _VERSION.fullmatch(version):
            text = self.masker.text(output.decode("utf-8", "replace"))[-500:].strip()
            raise RefusedError(
                f"packer version ({shutil.which('packer', path=self.environ.get('PATH'))})",
                text or f"exit code {code}, no output",
                "put HashiCorp Packer before it on PATH: https://developer.hashicorp.com/packer",
            )
        if _numbers(version) < OLDEST:
            raise RefusedError(
                "packer version",
                f"Packer {version} is older than 1.6.6, the oldest supported version",
                "install a newer Packer: https://developer.hashicorp.com/packer/install",
            )
        return version

    def inspect(self, request: BakeRequest) -> Template:
        """Return the template's declarations; install its plugins first if Packer has `init`.

        Raises ConfigurationError if Packer cannot read the template.
        """
        self._init(request)
        return self.read(request)

    def read(self, request: BakeRequest) -> Template:
        """Return the template's declarations; installs nothing.

        Raises ConfigurationError if Packer cannot read the template, or lacks a plugin for it.
        """
        source = read_source(request.template)
        with private_folder() as folder:
            argv = ["inspect", "-machine-readable"]
            if source.data:
                argv += variable_files(request, folder, known_variables(request, source))
            code, output = self._evaluate([*argv, str(request.template)], request, source)
        found = _read(output)
        if code != 0:
            raise self._bad_template("packer inspect", request, found)
        template = unmasked_template(parse_inspection(found), source.builders, source.variables)
        inputs = (*request.inputs, *request.var_files)
        return replace(
            template,
            declared=source.variables,
            builders=source.builders,
            locals=source.locals,
            unlisted=undeclared_uploads(source, request.template, request.directory, inputs),
        )

    def validate(
        self, request: BakeRequest, template: Template, variables: Mapping[str, Any]
    ) -> None:
        """Validate the template; Packer calls AWS for that only if it has data sources.

        Raises ConfigurationError with Packer's output.
        """
        evaluates = not template.old_style and _numbers(self.version()) >= EVALUATES
        with private_folder() as folder:
            argv = [
                "validate",
                *(["-evaluate-datasources"] if evaluates else []),
                *inputs(request, template, folder, variables),
                str(request.template),
            ]
            code, output = self._evaluate(argv, request, read_source(request.template))
        if code != 0:
            raise self._bad_template("packer validate", request, _read(output))

    def build(
        self,
        request: BakeRequest,
        name: str,
        template: Template,
        variables: Mapping[str, Any],
        *,
        on_resources: Callable[[BuildResources], None],
    ) -> BuildReport:
        """Run `packer build` to its end; the report has its ending, nothing is raised for it."""
        log = log_of(self.logs, name)
        self.report(BuildStarted(name=name, log=log))
        began = time.monotonic()
        lasts = request.timeout + request.cancel_grace
        env = self._calling(request, lasts)
        masker = self.masker.adding(secrets_in(env))
        with private_folder() as folder, appending(log) as write:
            manifest, packages = folder / "manifest.json", folder / "packages.txt"
            variables = with_places(variables, manifest, packages)
            names = BuildNames(template.builds.items())
            reader = StreamReader(masker=masker, log=write, step=self._step, names=names)
            feed = _reporting(reader, on_resources)
            command = self._command(
                [
                    "build",
                    "-machine-readable",
                    "-color=false",
                    "-on-error=cleanup",
                    *inputs(request, template, folder, variables),
                    str(request.template),
                ],
                request.directory,
            )
            command = replace(command, env=env)
            ending, code, failure = self._stream(command, feed, request)
            written = read_manifest(manifest)
            found = reader.stream if failure else reader.close()
            lists = read_package_lists(packages, tuple(found.images()))
        self.report(
            BuildEnded(seconds=time.monotonic() - began, how=_describe_ending(ending, code))
        )
        said = _said_of_failure(found, failure, masker, template)
        return BuildReport(
            ending=ending,
            code=code,
            expected=expected_builds(template, request.only, found.builds()),
            images=found.images(),
            manifest=written,
            failures=said.failures,
            last_lines=said.last_lines,
            resources=found.resources,
            source_ami=found.source_ami,
            log=log,
            masked=found.masked,
            packages=lists,
        )

    def _stream(
        self, command: Command, on_output: Callable[[bytes], None], request: BakeRequest
    ) -> tuple[Ending, int, str]:
        try:
            finished = stream(
                command,
                on_output,
                interrupts=self.interrupts,
                timeout=request.timeout,
                grace=request.cancel_grace,
            )
        except OSError as failure:
            return Ending.EXITED, -1, f"the log could not be written: {failure.strerror}"
        except PipelineError as failure:
            return Ending.EXITED, -1, f"{failure.where}: {failure.what}"
        return finished.ending, finished.code, ""

    def _step(self, build: str, text: str) -> None:
        self.report(StepBegan(build=build, text=text))

    def _init(self, request: BakeRequest) -> None:
        name = request.template.name
        old_style = name.endswith(".json") and not name.endswith(".pkr.json")
        if old_style or _numbers(self.version()) < WITH_INIT:
            return
        folder = request.template if request.template.is_dir() else request.template.parent
        plugins = folder / "init"
        target = plugins if any(plugins.glob("*.pkr.hcl")) else request.template
        argv = ["init", "-machine-readable", str(target)]
        code, output = self._run(argv, request.directory, timeout=CALLING)
        if code != 0:
            text = _said(_read(output))
            remedy = init_remedy(text, target, self.version())
            raise self._refusal(f"packer init {target}", text, remedy, of_template=False)

    def _evaluate(
        self, argv: list[str], request: BakeRequest, source: TemplateSource
    ) -> tuple[int, bytes]:
        """Run a command that evaluates data sources, which call AWS."""
        if not source.data:
            return self._run(argv, request.directory)
        env = self._calling(request, CALLING)
        code, output = self._run(argv, request.directory, timeout=CALLING, env=env)
        return code, Masker(secrets_in(env)).mask(output)

    def _calling(self, request: BakeRequest, seconds: float) -> dict[str, str]:
        """Return the environment of a command that calls AWS for up to `seconds`."""
        env = dict(self.credentials(self.environment(), seconds))
        # A builder without a region uses these; pipeline.toml decides.
        return env | dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), request.region)

    def _run(
        self,
        argv: list[str],
        cwd: Path,
        *,
        timeout: float = SHORT,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        command = self._command(argv, cwd)
        try:
            return capture(replace(command, env=env or command.env), timeout=timeout)
        except (FileNotFoundError, PermissionError) as error:
            if not cwd.is_dir():
                raise ConfigurationError(
                    "[bake] directory", f"{cwd} is not a folder", "create it or fix the path"
                ) from error
            raise RefusedError(
                "packer",
                "no packer on PATH",
                "install it: apt-get install packer, "
                "or https://developer.hashicorp.com/packer/install",
            ) from error
        except TimeoutError as error:
            raise RefusedError(
                f"packer {argv[0]}",
                str(error),
                "check that packer is HashiCorp Packer: packer version",
            ) from error

    def _command(self, argv: list[str], cwd: Path) -> Command:
        return Command(argv=["packer", *argv], cwd=cwd, env=self.environment())

    def environment(self) -> dict[str, str]:
        """Return Packer's environment, without secrets and variables that change its output."""
        kept = {
            key: value
            for key, value in self.environ.items()
            if not _NOT_PASSED_ON.fullmatch(key) and key not in self.hidden
        }
        kept.setdefault("PACKER_CACHE_DIR", str(self.cache))
        return {**kept, "CHECKPOINT_DISABLE": "1"}

    def _bad_template(self, where: str, request: BakeRequest, found: Stream) -> PipelineError:
        text = _said(found)
        remedy = machine_remedy(text) or template_remedy(text, request.template, self.version())
        return self._refusal(f"{where} {request.template}", text, remedy, of_template=True)

    def _refusal(self, where: str, text: str, remedy: str, *, of_template: bool) -> PipelineError:
        """Return a configuration error if the template is wrong, else a refusal.

        `of_template` decides about a text that does not say what is wrong.
        """
        outside = bool(machine_remedy(text)) or is_missing_plugin(text)
        wrong = not outside and (of_template or is_of_template(text))
        kind = ConfigurationError if wrong else RefusedError
        return kind(where, self.masker.text(text).strip() or "Packer gave no reason", remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    """What Packer said of a build that failed, for people: masked, with the template's filters."""

    failures: Mapping[str, str]
    last_lines: tuple[str, ...]


def _said_of_failure(found: Stream, failure: str, masker: Masker, template: Template) -> _Said:
    failures = {"": failure} if failure else found.errors
    lines = found.last(next(iter(failures), "")) if found.last_lines else tuple(found.plain)
    if found.panic:
        failures, lines = {"": f"packer crashed: {found.panic[0]}"}, tuple(found.panic)
    first = next(iter(failures), "")

    def shown(text: str, build: str) -> str:
        return masker.text(readable_filters(text, build, template.builders))

    return _Said(
        failures={build: shown(text, build) for build, text in failures.items()},
        last_lines=tuple(shown(line, first) for line in lines),
    )


def _describe_ending(
    ending: Ending, code: int
) -> Literal["succeeded", "failed", "timed out", "was stopped"]:
    match ending:
        case Ending.EXITED:
            return "failed" if code else "succeeded"
        case Ending.TIMEOUT:
            return "timed out"
        case Ending.INTERRUPTED:
            return "was stopped"


def _reporting(
    reader: StreamReader, on_resources: Callable[[BuildResources], None]
) -> Callable[[bytes], None]:
    """Return a function that feeds the reader and reports each resource that Packer names."""
    reported = BuildResources()

    def feed(chunk: bytes) -> None:
        nonlocal reported
        reader.feed(chunk)
        if (resources := reader.stream.resources) != reported:
            reported = resources
            on_resources(resources)

    return feed


def _said(found: Stream) -> str:
    """Return the reason that a command of Packer gave for its failure."""
    text = "\n".join(found.panic or found.problems or found.ui_text or found.plain)
    return readable_filters(text, "", {})


def _read(output: bytes) -> Stream:
    reader = StreamReader(keep_text=True)
    reader.feed(output)
    return reader.close()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
