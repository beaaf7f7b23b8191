"""`ami-pipeline config`: the schema for editors, and what a file comes to.

pipeline.config is imported inside the commands: pydantic would make every
`--help` wait.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import Checked, Context, pass_context

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group()
def config() -> None:
    """Check pipeline.toml, print its JSON Schema, write Terraform's root module."""


@config.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.toml, for editors."""
    from pipeline.config import schema as make_schema

    click.echo(json.dumps(make_schema(), indent=2, sort_keys=True))


@config.command()
@click.pass_obj
def check(options: object) -> None:
    """Check pipeline.toml and print what it comes to, without secrets."""
    from pipeline.config import find, load

    named = getattr(options, "config", None)
    settings = load(Path(named) if named else find(Path.cwd()))
    document = settings.public()
    if getattr(options, "output", "text") == "json":
        click.echo(json.dumps({"file": str(settings.file), "settings": document}, indent=2))
        return
    click.echo(f"# {settings.file}")
    for key, value in _flatten(document):
        click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


@config.command()
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    required=True,
    help="The environment whose root module is written.",
)
@click.option(
    "--check",
    "with_check",
    is_flag=True,
    help="Have Terraform check it and the module it calls; nothing is asked of AWS.",
)
@pass_context
def terraform(context: Context, environment: str, with_check: bool) -> None:
    """Write the Terraform root module of an environment, print where it is.

    The module it calls, the shipped one or [terraform] module, must take the inputs
    and give the outputs of the contract (docs/terraform.md): --check says whether it does.
    """
    from pipeline.app import Application, Options
    from pipeline.app.terraform_root import root_module
    from pipeline.ui.plain import PlainProgress
    from pipeline.ui.results import as_json, root_document, root_text

    options = Options(config=context.config)
    app = Application.start(options, PlainProgress(sys.stderr).report)
    result = root_module(app, environment, check=with_check)
    click.echo(as_json(root_document(result)) if context.json else root_text(result))


def _flatten(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give each set key by its full name; what is absent or empty says nothing."""
    for name, value in document.items():
        # Names are checked words except a tag's key, which may hold spaces, dots and colons.
        key = (
            f"{prefix}{name}" if name.replace("_", "").isalnum() else f"{prefix}{json.dumps(name)}"
        )
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.")
        elif value not in (None, []):
            yield key, value
