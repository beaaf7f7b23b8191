"""`ami-pipeline config`: check and show pipeline.toml, write Terraform's root module.

pipeline.config is imported inside the commands, because pydantic would slow down every `--help`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import Context, pass_context, reading_application
from pipeline.cli.options import environment_option, only_environment_option

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group()
def config() -> None:
    """Check or show pipeline.toml, write Terraform's root module."""


@config.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.toml, for editors."""
    from pipeline.config import schema as make_schema

    click.echo(json.dumps(make_schema(), indent=2, sort_keys=True))


@config.command()
@pass_context
def check(context: Context) -> None:
    """Check pipeline.toml and print the settings, without secrets."""
    from pipeline.config import find, load

    settings = load(Path(context.config) if context.config else find(Path.cwd()), with_files=True)
    document = settings.public()
    if context.json:
        context.tell(json.dumps({"file": str(settings.file), "settings": document}, indent=2))
        return
    lines = (
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in _flatten(document)
    )
    context.tell("\n".join([f"# {settings.file}", *lines]))


@config.command()
@only_environment_option
@pass_context
def show(context: Context, environment: str | None) -> None:
    """Print the effective settings and the origin of each.

    An origin is a line of pipeline.toml or of the file that it extends, or a default. With an
    environment, its overrides are in place. Secrets are not shown.
    """
    from pipeline.config import effective, find
    from pipeline.ui.housekeeping.settings import settings_document, settings_text

    path = Path(context.config) if context.config else find(Path.cwd())
    settings, values = effective(path, environment, os.environ)
    file = str(settings.file)
    if context.json:
        context.tell(json.dumps(settings_document(file, values), indent=2))
    else:
        context.tell(settings_text(file, values))


@config.command()
@environment_option
@click.option(
    "--check",
    "with_check",
    is_flag=True,
    help="Validate it and its module, without AWS.",
)
@pass_context
def terraform(context: Context, environment: str, with_check: bool) -> None:
    """Write a Terraform root module and print its path.

    It calls the shipped module, or the one that [terraform] module names. With --check, Terraform
    verifies that this module has the inputs and outputs of the contract
    (ami-pipeline docs terraform).
    """
    from pipeline.app.terraform_root import root_module
    from pipeline.ui.results import as_json, root_document, root_text

    result = root_module(reading_application(context), environment, check=with_check)
    context.tell(as_json(root_document(result)) if context.json else root_text(result))


def _flatten(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each key that is set, by its full name, with its value."""
    for name, value in document.items():
        # Only a tag's key may contain spaces, dots and colons; every other name is validated.
        key = (
            f"{prefix}{name}" if name.replace("_", "").isalnum() else f"{prefix}{json.dumps(name)}"
        )
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.")
        elif value not in (None, []):
            yield key, value
