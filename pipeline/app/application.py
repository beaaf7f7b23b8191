"""What every command starts with: the configuration, the environment variables, the signals.

Adapters that more than one command needs are built here, the others in the command's module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import config
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.credentials import ToolEnvironment, tool_environment
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.factory import open_store
from pipeline.adapters.terraform.root_module import shipped_module
from pipeline.core.ci import require_lasting_state
from pipeline.core.errors import ConfigurationError, PipelineError
from pipeline.core.events import Event, Message, Report
from pipeline.core.masking import SHORTEST, Masker, texts
from pipeline.core.terraform.program import ProgramChoice
from pipeline.core.terraform.root_module import FILE_INPUTS, Bucket, Root

if TYPE_CHECKING:
    from pipeline.adapters.terraform.terraform import Terraform


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a command line; empty for an option that was not given.

    `rebuilds` is the environment that `rebuild` was called for; the image may be for any.
    """

    config: str | None = None
    environment: str = ""
    version: str = ""
    force: bool = False
    dotenv: Path | None = None
    rebuilds: str = ""


class Listeners:
    """Hands each event to the progress display, then to those that record or tell it."""

    def __init__(self, *first: Report) -> None:
        self._all = list(first)

    def report(self, event: Event) -> None:
        """Hand an event to each listener."""
        for each in tuple(self._all):
            each(event)

    def add(self, listener: Report) -> None:
        """Hand events to one more listener from now on."""
        self._all.append(listener)

    @contextmanager
    def also(self, listener: Report) -> Iterator[None]:
        """Hand events to one more listener inside the block."""
        self._all.append(listener)
        try:
            yield
        finally:
            self._all.remove(listener)


@dataclass(frozen=True, kw_only=True)
class Application:
    """The configuration, environment variables, signals and progress output of one run.

    `report` hands events to `listeners`. `at_end` is called once the command has released its
    lease; what fails there is only reported. `deployed` are the ids of the deployments of this
    run, with their environments.
    """

    settings: config.Settings
    environ: Mapping[str, str]
    interrupts: Interrupts
    report: Report
    listeners: Listeners = field(default_factory=Listeners)
    at_end: list[Callable[[], None]] = field(default_factory=list)
    deployed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, options: Options, report: Report) -> Application:
        """Install the signal handlers and read the configuration; raises ConfigurationError."""
        interrupts = Interrupts()
        interrupts.install()
        settings = config.load(Path(options.config) if options.config else config.find(Path.cwd()))
        listeners = Listeners(report)
        return cls(
            settings=settings,
            environ=dict(os.environ),
            interrupts=interrupts,
            report=listeners.report,
            listeners=listeners,
        )

    def finish(self) -> None:
        """Do what waits for the end of the command; nothing of it changes the exit code."""
        while self.at_end:
            try:
                self.at_end.pop(0)()
            except Exception as error:  # noqa: BLE001 - the deployment is over
                self.report(Message(text=f"{type(error).__name__}: {error}"))

    def tell_damaged(self, error: PipelineError) -> None:
        """Say that a record is left out, because it could not be read."""
        text = f"left out: {error.where}: {error.what}; {error.remedy}"
        self.report(Message(text=text))

    def store(self, clients: Clients, environment: str = "") -> Store:
        """Return the store; its bucket must belong to the configured account, if there is one."""
        account = self._account(environment)
        state = self.settings.state
        return open_store(
            state.url, self.settings.root, clients, account, kms_key=state.kms_key_id or ""
        )

    def require_lasting_state(self) -> None:
        """Raise ConfigurationError in a CI job if the store would be gone with its machine."""
        settings = self.settings
        require_lasting_state(
            self.environ,
            url_is_set="url" in settings.state.model_fields_set,
            has_backend=settings.terraform.backend is not None,
        )

    def bucket_owner(self, bucket: str, environment: str) -> str:
        """Return the account that must own the bucket of Terraform's state; empty for any.

        A bucket that is also the store's must belong to the store's account.
        """
        scheme, _, rest = self.settings.state.url.partition("://")
        is_store = scheme == "s3" and rest.partition("/")[0] == bucket
        return self._account(environment) if is_store else ""

    def _account(self, environment: str) -> str:
        here = self.settings.environment(environment).account if environment else None
        return self.settings.state.account or here or ""

    def terraform(
        self, environment: str = "", *, recorded: str = "", change: bool = False
    ) -> Terraform:
        """Return Terraform for an environment, with its own log.

        `recorded` is the product in the environment's document, and `change` allows another one.
        """
        table = self.settings.terraform_for(environment) if environment else self.settings.terraform
        program = table.program or ""
        choice = ProgramChoice(
            configured=str(self.inside(program)) if "/" in program else program,
            recorded=recorded,
            change=change,
            environment=environment,
        )
        from pipeline.adapters.terraform.terraform import Terraform

        return Terraform(
            environ=self.environ,
            choice=choice,
            log=self.logs / f"terraform-{self.settings.app}-{environment or 'doctor'}.log",
            report=self.report,
            interrupts=self.interrupts,
            credentials=self.tool_credentials,
        )

    @property
    def tool_credentials(self) -> ToolEnvironment:
        """What gives Packer and Terraform this process's credentials."""
        return partial(tool_environment, region=self.settings.region)

    def masker(self, environment: str) -> Masker:
        """Return what masks the secrets that this run knows: of a bake, and of notifications."""
        wanted = self.settings.bake_for(environment or None)
        names = wanted.vars_from_env.values()
        known = [self.environ.get(name, "") for name in names]
        known += [text for name in wanted.sensitive for text in texts(wanted.vars[name])]
        known += [secret for each in self.settings.notify for secret in each.secrets(self.environ)]
        return Masker(text for text in known if len(text) >= SHORTEST)

    def root(self, environment: str) -> Root:
        """Return the root module of an environment."""
        wanted = self.settings.terraform_for(environment)
        return Root(
            app=self.settings.app,
            environment=environment,
            region=self.settings.region,
            account=self.settings.environment(environment).account or "",
            module=self._module(wanted),
            folder=self.state / "terraform" / self.settings.app / environment,
            bucket=self.state_bucket(wanted, environment),
            inputs={**wanted.inputs, **self._files(wanted)},
            provider=wanted.provider_version,
        )

    def _files(self, wanted: config.TerraformSettings) -> dict[str, str]:
        """Return the shipped module's inputs that are paths, from the folder of pipeline.toml."""
        if wanted.module is not None:
            return {}
        named = ((name, wanted.inputs.get(name)) for name in FILE_INPUTS)
        found = {name: self.inside(path) for name, path in named if isinstance(path, str)}
        for name, path in found.items():
            if not path.is_file():
                where = f"[terraform.inputs] {name}"
                remedy = f"fix {name}: the path begins in the folder of pipeline.toml"
                raise ConfigurationError(where, f"there is no file {path}", remedy)
        return {name: str(path) for name, path in found.items()}

    def _module(self, wanted: config.TerraformSettings) -> Path:
        if wanted.module is None:
            return shipped_module()
        path = self.inside(wanted.module)
        if not path.is_dir():
            raise ConfigurationError(
                "[terraform] module", f"there is no folder {path}", "fix module in pipeline.toml"
            )
        return path

    def state_bucket(self, wanted: config.TerraformSettings, environment: str) -> Bucket | None:
        """Return where Terraform's state is in S3, None if it is a file; raises ConfigurationError.

        `wanted` are the Terraform settings of the environment.
        """
        state, backend = self.settings.state.url, wanted.backend
        if backend is None:
            if state.startswith("s3://"):
                raise ConfigurationError(
                    "[terraform.backend]",
                    f"is missing: [state] url is {state}, which many machines share, "
                    "but Terraform's state would be a file on this machine",
                    f'add [terraform.backend] with bucket = "{state.split("/")[2]}"',
                )
            return None
        prefix = (backend.key_prefix or "").strip("/")
        return Bucket(
            name=backend.bucket,
            key=f"{prefix}/{self.settings.app}/{environment}.tfstate".lstrip("/"),
            region=backend.region or self.settings.region,
            kms_key=backend.kms_key_id or "",
        )

    def inside(self, path: str | Path) -> Path:
        """Return a path of the configuration as an absolute path without `..`."""
        return Path(os.path.normpath(self.settings.root / path))

    @property
    def state(self) -> Path:
        """The folder for the files of this machine: logs, root modules, a local store."""
        url = self.settings.state.url
        return self.settings.root / (".ami-pipeline" if url.startswith("s3://") else url)

    @property
    def reports(self) -> Path:
        """The folder of the HTML reports of this machine's deployments."""
        return self.state / "reports"

    @property
    def logs(self) -> Path:
        """The folder of full logs."""
        return self.state / "logs"
