"""Check the contract of a module of the user's own on real plans, before anything is applied.

`rehearse` makes three plans in a folder of its own, which nothing is ever applied from; it takes
Terraform's time for three plans, so an unchanged module is rehearsed once. `require` reads the plan
that is about to be applied. The shipped module fulfills the contract (terraform/release/tests).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.terraform.init_cache import digest
from pipeline.adapters.terraform.root_module import (
    INPUTS_FILE,
    RELEASES_FILE,
    main_document,
    releases_document,
    shipped_module,
    write_root,
)
from pipeline.adapters.terraform.stream import RunOutput, last_lines
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core import commands
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.module_contract import ROOT_FILE, breaks_contract, refusal
from pipeline.core.terraform.module_rules import Violation, Wanted, contract_error, violations
from pipeline.core.terraform.provider_lock import LOCK_FILE
from pipeline.core.terraform.rehearsal import (
    rehearsal_state,
    rehearsed_violations,
    retirement_violations,
)
from pipeline.core.terraform.root_module import Diagnostic, Root

FOLDER = "rehearsal"
_STATE = "terraform.tfstate"
_PLAN = "rehearsal.tfplan"
_DONE = "fulfilled"
_OFFLINE = {
    "skip_credentials_validation": True,
    "skip_requesting_account_id": True,
    "skip_metadata_api_check": True,
}
"""A plan of new resources then calls AWS only for the module's data sources."""
_KEYS = {"AWS_ACCESS_KEY_ID": "rehearsal", "AWS_SECRET_ACCESS_KEY": "rehearsal"}
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
EXAMPLE = Release(
    number=1,
    ami_id="ami-0123456789abcdef0",
    size=Size(instance_type="t3.micro", minimum=1, maximum=2, desired=1),
    facts={"deployment": "example", "version": "1.0.0", "root_device": "/dev/xvda"},
)
"""A release to check a module with before there is any."""


@dataclass(frozen=True, kw_only=True)
class ContractCheck:
    """The check of one root module; it does nothing for the shipped module."""

    terraform: Terraform
    root: Root

    @property
    def applies(self) -> bool:
        """Return True for a module of the user's own."""
        return self.root.module != shipped_module()

    def rehearse(self, release: Release, *, again: bool = False) -> None:
        """Make plans of invented releases like this one, unless the module is unchanged.

        The root module must be initialized. Raises ConfigurationError with each breach of the
        contract, RefusedError if Terraform cannot plan.
        """
        if not self.applies:
            return
        stamp = self._stamp()
        done = self._folder / _DONE
        if stamp and not again and done.is_file() and done.read_text() == stamp:
            return
        done.unlink(missing_ok=True)
        text = f"{self.terraform.name}: checking the module's contract"
        self.terraform.report(Message(text=text))
        if found := self._rehearsed(replace(release, number=1), replace(release, number=2)):
            raise contract_error(self.root, found)
        write_atomically(done, stamp.encode())

    def require(self, file: Path, creates: Iterable[Release]) -> None:
        """Read a saved plan; raises ConfigurationError with each breach of the contract."""
        releases = tuple(creates)
        if not self.applies or not releases:
            return
        document = self.terraform.show(self.root.folder, file)
        wanted = (self._wanted(each) for each in releases)
        if found := [breach for each in wanted for breach in violations(document, each)]:
            raise contract_error(self.root, found)

    @property
    def _folder(self) -> Path:
        return self.root.folder / FOLDER

    def _stamp(self) -> str:
        """Return the digest of the module, its inputs and its providers; empty if unreadable."""
        try:
            text = digest(self.root.folder, self.terraform.program())
            inputs = (self.root.folder / INPUTS_FILE).read_bytes()
        except OSError:
            return ""
        return f"{text} {hashlib.sha256(inputs).hexdigest()}"

    def _rehearsed(self, standing: Release, launching: Release) -> list[Violation]:
        releases = (standing, launching)
        pair = self._wanted(standing), self._wanted(launching)
        self._write(releases)
        try:
            self._initialize()
            first = self._plan()
            found = violations(first, pair[1])
            self._write_file(_STATE, rehearsal_state(first, *pair))
            found += rehearsed_violations(self._plan(), *pair)
            return [*found, *self._retired(launching, pair[0])]
        finally:
            for name in (_STATE, f"{_STATE}.backup", _PLAN):
                (self._folder / name).unlink(missing_ok=True)

    def _retired(self, left: Release, gone: Wanted) -> Iterable[Violation]:
        """Return what a plan without a release would keep of it."""
        self._write_file(RELEASES_FILE, releases_document([left]))
        output = self._planned(self._with_keys())
        found = retirement_violations(output.planned, output.errors, gone)
        if output.errors and not found:
            raise self._failed("plan", output.errors)
        return found

    def _wanted(self, release: Release) -> Wanted:
        app, environment = self.root.app, self.root.environment
        return Wanted(
            release=release.name,
            group=release.group(app, environment),
            image=release.ami_id,
            app=app,
            environment=environment,
        )

    def _write(self, releases: Iterable[Release]) -> None:
        """Write the root module with an empty local state and a provider that makes no calls."""
        root = replace(self.root, folder=self._folder, bucket=None, account="")
        write_root(root)
        document = main_document(root)
        document["provider"]["aws"] |= _OFFLINE
        self._write_file(ROOT_FILE, document)
        self._write_file(RELEASES_FILE, releases_document(releases))
        (self._folder / _STATE).unlink(missing_ok=True)
        lock = self.root.folder / LOCK_FILE
        if lock.is_file():
            shutil.copyfile(lock, self._folder / LOCK_FILE)

    def _write_file(self, name: str, document: Mapping[str, Any]) -> None:
        write_atomically(self._folder / name, json.dumps(document, indent=2).encode() + b"\n")

    def _initialize(self) -> None:
        """Initialize with the providers that the root module's own `init` has installed."""
        providers = self.root.folder / ".terraform/providers"
        plugins = providers.resolve() if providers.is_dir() else None
        if found := self.terraform.init(self._folder, backend=True, plugins=plugins):
            raise self._failed("init", found)

    def _plan(self) -> dict[str, Any]:
        terraform = self._with_keys()
        output = self._planned(terraform)
        if output.errors:
            raise self._failed("plan", output.errors)
        return terraform.show(self._folder, self._folder / _PLAN)

    def _planned(self, terraform: Terraform) -> RunOutput:
        file = self._folder / _PLAN
        return terraform.plan(self._folder, file, locks=False, refresh=False)

    def _with_keys(self) -> Terraform:
        """Return Terraform with invented keys where there are none: most modules need no AWS."""
        given = self.terraform.credentials

        def credentials(environ: Mapping[str, str], seconds: float) -> Mapping[str, str]:
            found = given(environ, seconds)
            return found if any(name in found for name in _CREDENTIALS) else {**_KEYS, **found}

        return replace(self.terraform, credentials=credentials, encrypts=False)

    def _failed(self, verb: str, errors: Iterable[Diagnostic]) -> PipelineError:
        found = tuple(errors)
        if any(map(breaks_contract, found)):
            return refusal(self.root, verb, found, self.terraform.program())
        check = commands.config_terraform_check(self.root.environment)
        return RefusedError(
            f"rehearsing the module {self.root.module}",
            last_lines(found),
            f"fix the cause above (data sources of a module need AWS credentials), then: {check}",
        )
