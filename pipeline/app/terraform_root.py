"""Write and check the root module of an environment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from pipeline.adapters.terraform.contract_check import EXAMPLE, ContractCheck
from pipeline.adapters.terraform.root_module import write_root
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.errors import PipelineError
from pipeline.core.terraform.module_contract import refusal
from pipeline.core.terraform.root_module import Root, RootResult


def root_module(app: Application, environment: str, *, check: bool) -> RootResult:
    """Write the root module of an environment; with `check`, validate it with Terraform."""
    root = app.root(environment)
    result = RootResult(
        root=root,
        size=app.settings.environment(environment).size,
        files=write_root(root),
    )
    return replace(result, checked_by=_checked(app, root)) if check else result


def _checked(app: Application, root: Root) -> str:
    """Validate a root module; return the program. Raises its errors as RefusedError."""
    terraform = _terraform(app, root.environment)
    program = terraform.program()
    for verb, run in (("init", terraform.init), ("validate", terraform.validate)):
        if found := run(root.folder):
            raise refusal(root, verb, found, program)
    size = app.settings.environment(root.environment).size
    ContractCheck(terraform=terraform, root=root).rehearse(replace(EXAMPLE, size=size), again=True)
    return str(program)


def _terraform(app: Application, environment: str) -> Terraform:
    """Return Terraform as the environment's document names it, if that can be read."""
    if app.settings.terraform_for(environment).program is None:
        with suppress(PipelineError):
            reader = EnvironmentReader(app=app, environment=environment)
            return reader.terraform(reader.document())
    return app.terraform(environment)
