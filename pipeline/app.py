"""The composition root: from configuration and environment to wired objects.

The one place that knows which adapter fulfils which port. Imported by `cli` only
when a command runs, so that `--help` stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.adapters.aws import Clients
from pipeline.adapters.catalogue import Catalogue
from pipeline.adapters.claims import runs_here
from pipeline.adapters.git import read_commit
from pipeline.adapters.images import Ec2Images
from pipeline.adapters.interrupts import Interrupts
from pipeline.adapters.leftovers import Ec2Leftovers
from pipeline.adapters.outputs import require_writable, write_ci, write_tfvars
from pipeline.adapters.packer import Packer
from pipeline.adapters.records import ImageRecords
from pipeline.adapters.root_module import shipped_module, write_root
from pipeline.adapters.store import open_store
from pipeline.adapters.terraform import Terraform
from pipeline.adapters.workplace import LocalWorkplace, baked_by
from pipeline.core.bake import Bakery
from pipeline.core.contract import refusal
from pipeline.core.errors import ConfigurationError
from pipeline.core.events import Report
from pipeline.core.masking import SHORTEST, Masker
from pipeline.core.model import BakeRequest, BakeResult, Image, Source, Usage
from pipeline.core.root import Bucket, Root, RootResult

OVERRIDES = {
    "ec2_endpoint": ("AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL", "PKR_VAR_ec2_endpoint"),
    "ssh_host": ("PKR_VAR_ssh_host",),
    "ssh_port": ("PKR_VAR_ssh_port",),
}
"""Packer variables that say how to reach the cloud, and where `sandbox env` puts their values."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line said; empty where it said nothing."""

    config: str | None = None
    environment: str = ""
    version: str = ""
    force: bool = False
    dotenv: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Application:
    """Everything a command needs, made once for each run."""

    settings: config.Settings
    environ: Mapping[str, str]
    interrupts: Interrupts
    report: Report

    @classmethod
    def start(cls, options: Options, report: Report) -> Application:
        """Take over the signals and read the configuration; raises ConfigurationError."""
        interrupts = Interrupts()
        interrupts.install()
        settings = config.load(Path(options.config) if options.config else config.find(Path.cwd()))
        return cls(
            settings=settings, environ=dict(os.environ), interrupts=interrupts, report=report
        )

    def bake(self, options: Options) -> BakeResult:
        """Bake, or find that nothing changed; write tfvars and CI outputs."""
        wanted = self.settings.bake_for(options.environment or None)
        secrets = self._secrets(wanted)
        request = self._request(options, wanted, secrets)
        masker = Masker(text for value in secrets.values() for text in _texts(value))
        tfvars = self._inside(wanted.tfvars)
        dotenv = options.dotenv or (self._inside(wanted.dotenv) if wanted.dotenv else None)
        require_writable("[bake] tfvars", tfvars)
        if dotenv:
            require_writable("[bake] dotenv", dotenv.absolute())
        result = self._bakery(wanted, request, masker).bake(request)
        write_tfvars(tfvars, result)
        write_ci(result, self.environ, dotenv)
        return result

    def images(self) -> tuple[tuple[Image, tuple[Usage, ...]], ...]:
        """Return the images of the app, newest first, with where each is used."""
        clients = Clients()
        catalogue = Catalogue(clients, self._records(clients, timedelta()))
        return catalogue.images(self.settings.app, self.settings.region)

    def root_module(self, environment: str, *, check: bool) -> RootResult:
        """Write the root module of an environment; with `check` have Terraform judge it."""
        root = self._root(environment)
        result = RootResult(
            root=root,
            size=self.settings.environment(environment).size,
            files=write_root(root),
        )
        return replace(result, checked_by=self._checked(root)) if check else result

    def _checked(self, root: Root) -> str:
        """Return the version of the Terraform that accepts a root module; raises its refusal."""
        terraform = Terraform(
            environ=self.environ,
            log=self._logs / f"terraform-{root.app}-{root.environment}.log",
            report=self.report,
            interrupts=self.interrupts,
        )
        version = terraform.version()
        for verb, run in (("init", terraform.init), ("validate", terraform.validate)):
            if found := run(root.folder):
                raise refusal(root, verb, found)
        return version

    def _root(self, environment: str) -> Root:
        wanted = self.settings.terraform_for(environment)
        return Root(
            app=self.settings.app,
            environment=environment,
            region=self.settings.region,
            account=self.settings.environment(environment).account or "",
            module=self._module(wanted),
            folder=self._state / "terraform" / self.settings.app / environment,
            bucket=self._bucket(wanted, environment),
            inputs=wanted.inputs,
        )

    def _module(self, wanted: config.TerraformSettings) -> Path:
        if wanted.module is None:
            return shipped_module()
        path = self._inside(wanted.module)
        if not path.is_dir():
            raise ConfigurationError(
                "[terraform] module", f"there is no folder {path}", "correct it in pipeline.toml"
            )
        return path

    def _bucket(self, wanted: config.TerraformSettings, environment: str) -> Bucket | None:
        state, backend = self.settings.state.url, wanted.backend
        if backend is None:
            if state.startswith("s3://"):
                raise ConfigurationError(
                    "[terraform.backend]",
                    f"is missing: [state] url is {state}, shared by many machines, "
                    "but Terraform's state would be a file on this one",
                    f'add [terraform.backend] with bucket = "{state.split("/")[2]}"',
                )
            return None
        prefix = (backend.key_prefix or "").strip("/")
        return Bucket(
            name=backend.bucket,
            key=f"{prefix}/{self.settings.app}/{environment}.tfstate".lstrip("/"),
            region=backend.region or self.settings.region,
        )

    def _bakery(self, wanted: config.BakeSettings, request: BakeRequest, masker: Masker) -> Bakery:
        clients = Clients()
        packer = Packer(
            environ=self.environ,
            logs=self._logs,
            cache=self._state / "packer_cache",
            report=self.report,
            interrupts=self.interrupts,
            masker=masker,
            hidden=frozenset(wanted.vars_from_env.values()),
        )
        over_after = timedelta(seconds=request.timeout + request.cancel_grace + 600)
        return Bakery(
            baker=packer,
            images=Ec2Images(clients),
            leftovers=Ec2Leftovers(clients),
            records=self._records(clients, over_after),
            workplace=LocalWorkplace(self.interrupts, self._logs),
            report=self.report,
        )

    def _records(self, clients: Clients, over_after: timedelta) -> ImageRecords:
        """`over_after` is when a bake of another machine counts as ended."""

        def runs(image: Image) -> bool:
            here = runs_here(self._logs, image.bake)
            age = datetime.now(UTC) - datetime.fromisoformat(image.created)
            return age < over_after if here is None else here

        store = open_store(self.settings.state.url, self.settings.root, clients)
        return ImageRecords(store, runs=runs)

    def _request(
        self, options: Options, wanted: config.BakeSettings, secrets: Mapping[str, Any]
    ) -> BakeRequest:
        outputs = self._outputs(options, wanted)
        commit = read_commit(self.settings.root, self.environ, outputs)
        version = options.version or commit.describe
        if not version:
            raise ConfigurationError(
                "version",
                f"none was given and git describes nothing in {self.settings.root}",
                "ami-pipeline bake --version 1.0.0",
            )
        return BakeRequest(
            app=self.settings.app,
            version=version,
            region=self.settings.region,
            environment=options.environment,
            template=self._template(wanted),
            directory=self._inside(wanted.directory),
            regions=tuple(wanted.regions),
            inputs=tuple(self._inside(path) for path in wanted.inputs),
            only=tuple(wanted.only),
            outputs=outputs,
            variables={key: wanted.vars[key] for key in wanted.vars if key not in secrets},
            secrets=secrets,
            overrides=self._overrides(),
            source=_source(wanted),
            tags=dict(wanted.tags),
            timeout=wanted.timeout,
            cancel_grace=wanted.cancel_grace,
            commit=commit,
            baked_by=baked_by(self.environ),
            force=options.force,
        )

    def _template(self, wanted: config.BakeSettings) -> Path:
        path = self._inside(wanted.template)
        if not path.exists():
            raise ConfigurationError(
                "[bake] template", f"there is no {path}", "correct template in pipeline.toml"
            )
        return path

    def _overrides(self) -> dict[str, str]:
        found = {
            variable: next((self.environ[name] for name in names if self.environ.get(name)), "")
            for variable, names in OVERRIDES.items()
        }
        return {variable: value for variable, value in found.items() if value}

    def _secrets(self, wanted: config.BakeSettings) -> dict[str, Any]:
        """Return the variables that are masked, with their values; refuse what cannot be."""
        found: dict[str, Any] = {name: wanted.vars[name] for name in wanted.sensitive}
        for name, value in found.items():
            if any(len(text) < SHORTEST for text in _texts(value)):
                raise ConfigurationError(
                    f"[bake.vars] {name}",
                    f"is in sensitive and holds fewer than {SHORTEST} characters: "
                    "masking it would blot out ordinary words",
                    f"lengthen it, or take {name} out of sensitive",
                )
        for variable, name in wanted.vars_from_env.items():
            found[variable] = self._from_environment(variable, name)
        return found

    def _from_environment(self, variable: str, name: str) -> str:
        value = self.environ.get(name, "")
        if len(value) < SHORTEST:
            what = "is not set" if not value else f"holds fewer than {SHORTEST} characters"
            raise ConfigurationError(
                f"[bake.vars_from_env] {variable}",
                f"the environment variable {name} {what}",
                f"export {name} with the secret's value, then bake again",
            )
        return value

    def _outputs(self, options: Options, wanted: config.BakeSettings) -> tuple[Path, ...]:
        """Return what a bake writes: it must not make the next one look changed."""
        dotenv = options.dotenv.absolute() if options.dotenv else None
        written = (self._state, self._inside(wanted.tfvars), dotenv)
        configured = (self._inside(wanted.dotenv),) if wanted.dotenv else ()
        return (*(path for path in written if path), *configured)

    def _inside(self, path: str | Path) -> Path:
        return self.settings.root / path

    @property
    def _state(self) -> Path:
        url = self.settings.state.url
        return self.settings.root / (".ami-pipeline" if url.startswith("s3://") else url)

    @property
    def _logs(self) -> Path:
        return self._state / "logs"


def _texts(value: Any) -> list[str]:
    """Return every text in a variable's value, however deep in lists and maps."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return [str(value)]


def _source(wanted: config.BakeSettings) -> Source | None:
    if wanted.source is None:
        return None
    source = wanted.source
    return Source(id=source.id or "", owner=source.owner or "", name=source.name or "")
