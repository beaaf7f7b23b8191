"""`ami-pipeline`: the command group, and the one place that catches.

Every expected failure is printed in its three parts and ends with the exit code
of its class; with `--output json` stdout holds one document then, too. Commands
import what they need when they run, so that `--help` needs click alone.
"""

from __future__ import annotations

import importlib
import os
import sys
from itertools import pairwise
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.cli.context import Context
from pipeline.core.errors import (
    ConfigurationError,
    InternalError,
    InterruptedRunError,
    PipelineError,
)

_COMMANDS = {
    "bake": ("pipeline.cli.bake", "bake", "Build an image, verify it, write tfvars."),
    "promote": ("pipeline.cli.deploy", "promote", "Put an image into service, blue/green."),
    "rollback": ("pipeline.cli.deploy", "rollback", "Put the previous good release back."),
    "rebuild": ("pipeline.cli.deploy", "rebuild", "Bake and promote if anything changed: nightly."),
    "status": ("pipeline.cli.status", "status", "Show what serves and what runs."),
    "history": ("pipeline.cli.status", "history", "List what was deployed."),
    "recover": ("pipeline.cli.deploy", "recover", "Finish a deployment whose run died."),
    "abort": ("pipeline.cli.deploy", "abort", "Undo a deployment whose run died."),
    "lock": ("pipeline.cli.lock", "lock", "Show who holds an environment, or take it away."),
    "state": ("pipeline.cli.state", "state", "Show a document's versions, or put one back."),
    "doctor": ("pipeline.cli.doctor", "doctor", "Check the store and the tools."),
    "images": ("pipeline.cli.images", "images", "List the baked images, newest first."),
    "config": (
        "pipeline.cli.config",
        "config",
        "Check the configuration, write Terraform's root module.",
    ),
    "docs": ("pipeline.cli.docs", "docs", "Show the documentation."),
    "local-cloud": (
        "pipeline.cli.local_cloud",
        "local_cloud",
        "Run the local cloud: AWS on loopback.",
    ),
}


class _LazyGroup(click.Group):
    """Knows its commands' names and first lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of that name."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done or nothing to do, 1 our bug, 2 usage or configuration, "
    "3 refused, nothing changed, 4 failed, everything put back, 5 stranded, "
    "6 another run holds the lease, 130 interrupted.",
)
@click.option(
    "--config",
    type=click.Path(),
    help="The configuration; default: pipeline.toml here or in a folder above.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What stdout holds; progress goes to stderr.",
)
@click.option("--verbose", is_flag=True, help="Every step as a line, also on a terminal.")
@click.option("--no-color", is_flag=True, help="No colour and no live display.")
@click.version_option(__version__, prog_name="ami-pipeline")
@click.pass_context
def cli(ctx: click.Context, config: str | None, output: str, verbose: bool, no_color: bool) -> None:
    """Bake an immutable AMI with Packer and put it into service with Terraform.

    Try it without an AWS account: ami-pipeline local-cloud up.
    """
    ctx.obj = Context(
        config=config,
        output=output,
        verbose=verbose,
        color=not no_color,
        arguments=ctx.obj or (),
    )


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the program and end the process with its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run the program; return the exit code. What went wrong is printed."""
    as_json = _wants_json(arguments)
    if not arguments:
        cli.main(args=["--help"], prog_name="ami-pipeline", standalone_mode=False)
        return 2
    try:
        result = cli.main(
            args=arguments,
            prog_name="ami-pipeline",
            standalone_mode=False,
            obj=tuple(arguments),
        )
    except click.ClickException as error:
        return _usage(error, as_json=as_json)
    except PipelineError as error:
        return _expected(error, as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: our bug, told as such
        return _unexpected(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _wants_json(arguments: list[str]) -> bool:
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "ami-pipeline"
    told = ConfigurationError(path, _hinted(error), f"see: {path} --help")
    return _expected(told, as_json=as_json)


def _hinted(error: click.ClickException) -> str:
    """Return what is wrong, with a hint where a global option stands behind the command."""
    said = error.format_message()
    names = {name for option in cli.params for name in option.opts}
    if isinstance(error, click.NoSuchOption) and error.option_name in names:
        return f"{said} It goes before the command: ami-pipeline {error.option_name} ..."
    return said


def _expected(error: PipelineError, *, as_json: bool) -> int:
    if as_json:
        from pipeline.ui.results import as_json as encode
        from pipeline.ui.results import error_document

        click.echo(encode(error_document(error)))
    click.echo(f"error: {_printable(str(error))}", err=True)
    _annotate(error)
    return error.exit_code


def _annotate(error: PipelineError) -> None:
    """Have GitHub show an error on the job's page; a deployment's outcome is shown by itself."""
    from pipeline.ui import github

    if github.asked(os.environ):
        click.echo(github.error(error.where, f"{error.what}\nnext: {error.remedy}"), err=True)


def _printable(text: str) -> str:
    """Return an error's lines, each safe to show: tools' own words may be in them."""
    from pipeline.ui.text import one_line

    lines = (line[: len(line) - len(line.lstrip())] + one_line(line) for line in text.split("\n"))
    return "\n".join(lines)


def _interrupted(*, as_json: bool) -> int:
    told = InterruptedRunError(
        "ami-pipeline",
        "a signal ended the run; what it had begun was put back or is recorded",
        "run the command again when you like",
    )
    return _expected(told, as_json=as_json)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    import traceback

    click.echo(_printable("".join(traceback.format_exception(error))), err=True)
    told = InternalError(
        "ami-pipeline",
        f"{type(error).__name__}: {error}",
        "this is a bug of ami-pipeline: report it with the lines above",
    )
    return _expected(told, as_json=as_json)
