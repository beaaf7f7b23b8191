"""The `ami-pipeline` command group, and the one place that catches errors.

Every expected error is printed in its three parts and ends with the exit code of its class; with
`--output json`, stdout holds one JSON document for an error, too. Commands import what they need
when they run, so that `--help` imports click alone.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from contextlib import suppress
from copy import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline import __version__
from pipeline.cli.context import Context, echo
from pipeline.core.errors import (
    ConfigurationError,
    InternalError,
    InterruptedRunError,
    PipelineError,
)
from pipeline.ui.icons import make_printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMMANDS = {
    "init": "Start a new service: write its files, rehearse it.",
    "adopt": "Take over a running group as the serving release.",
    "bake": "Build, verify and record an image.",
    "promote": "Put an image into service, blue/green.",
    "rollback": "Put the previous good release back into service.",
    "rollback drill": "Prove that the previous release can serve again.",
    "rebuild": "Bake and promote if an input changed (nightly).",
    "status": "Show the serving release and the deployment in flight.",
    "history": "List the deployments of an environment.",
    "diff": "Compare two releases or images.",
    "stats": "Show how often, how fast and how safely releases are deployed.",
    "report": "Show one deployment in detail; write it as HTML.",
    "dashboard": "Show all environments on a local web page.",
    "resume": "Continue a paused deployment.",
    "recover": "Finish or undo an interrupted deployment.",
    "abort": "Undo a paused or interrupted deployment.",
    "logs": "Show the logs of an environment's members.",
    "shell": "Open a shell on a member.",
    "events": "Show activities, target states and phases in order.",
    "destroy": "Delete the groups of an environment.",
    "freeze": "Refuse to put a release into service for a time.",
    "unfreeze": "Lift the freezes that people made.",
    "lock": "Show or break the lease on an environment.",
    "state": "Show, restore or rebuild an environment's document.",
    "notify": "Test the notifications; send what is overdue.",
    "doctor": "Check the store, the tools and an environment.",
    "permissions": "Print the IAM policy of a role.",
    "images": "List the baked images, newest first.",
    "prune": "Remove unused images with their copies and snapshots.",
    "config": "Check or show the configuration; write the root module.",
    "completion": "Print the completion script of a shell.",
    "docs": "Show the documentation.",
    "local-cloud": "Run the local cloud: AWS on this machine.",
}
"""Each command with its summary; it is defined in the module of its name."""
_PACKAGES = {
    **dict.fromkeys(("prune", "destroy", "completion", "rollback drill"), "housekeeping"),
    **dict.fromkeys(("resume", "recover", "abort"), "unfinished"),
    **dict.fromkeys(("history", "diff", "report", "dashboard", "stats"), "reports"),
    **dict.fromkeys(("freeze", "unfreeze", "lock", "notify"), "operations"),
    **dict.fromkeys(("logs", "shell", "events"), "inspection"),
}
"""The packages of the commands whose modules are in one."""


def _with_globals(command: click.Command) -> click.Command:
    """Return the command, and those below it, with the global options: they work after it, too."""
    own = {name for option in command.params for name in option.opts}
    for option in _global_options():
        if not own & {*option.opts}:
            again = copy(option)
            again.hidden, again.expose_value, again.required = True, False, False
            again.default, again.callback = None, _override
            command.params.append(again)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _with_globals(each)
    return command


def _global_options() -> list[click.Option]:
    names = {"config", "output", "verbose", "color", "no_color"}
    return [each for each in cli.params if isinstance(each, click.Option) and each.name in names]


def _override(ctx: click.Context, option: click.Parameter, value: Any) -> Any:
    """Replace a global option by the one after the command, which is nearer."""
    if value is not None and option.name and ctx.get_parameter_source(option.name) is _TYPED:
        given = {"color": False} if option.name == "no_color" else {option.name: value}
        if option.name == "config":
            _use_file(value)
        ctx.obj = ctx.obj._replace(**given)
    return value


def _use_file(config: str | None) -> None:
    from pipeline.core import commands

    commands.use_file(config)


_TYPED = click.core.ParameterSource.COMMANDLINE


WIDEST = 100
"""Columns of help at most."""


def help_width() -> int:
    """Return the width that click computes with shutil, whose import takes as long as the help."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else 0
    if not width:
        with suppress(OSError, ValueError):
            width = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else -1).columns
    return max(min(width or 80, WIDEST) - 2, 50)


class _LazyGroup(click.Group):
    """A command group that imports a command's module only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        name = re.sub("[ -]", "_", cmd_name)
        path = ".".join(filter(None, ("pipeline.cli", _PACKAGES.get(cmd_name, ""), name)))
        command: click.Command = getattr(importlib.import_module(path), name)
        return _with_globals(command)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help as wide as click makes it."""
        ctx.terminal_width = ctx.terminal_width or help_width()
        return super().get_help(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        column = max(map(len, _COMMANDS))
        with formatter.section("Commands"):
            for name, text in _COMMANDS.items():
                line = f"{'':{formatter.current_indent}}{name:{column}}  {text}"
                if len(line) < formatter.width:  # click measures and wraps each line
                    formatter.write(f"{line}\n")
                else:
                    formatter.write_dl([(f"{name:{column}}", text)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands with their summaries, without the import of their modules."""
        from click.shell_completion import CompletionItem

        found = {name: _COMMANDS[name] for name in _COMMANDS if name.startswith(incomplete)}
        found = {name: text for name, text in found.items() if " " not in name}
        items = [CompletionItem(name, help=found[name]) for name in found]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return a command of one or two words; suggest the nearest one for an unknown name."""
        if (both := " ".join(args[:2])) in _COMMANDS and len(args) > 1:
            args = [both, *args[2:]]
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
    epilog="Exit codes: 0 done, or nothing to do; 1 internal error; 2 usage or configuration; "
    "3 refused, nothing changed; 4 failed, everything restored; 5 needs attention; "
    "6 another run holds the lease; 7 paused; 130 interrupted.",
)
@click.option(
    "--config",
    type=click.Path(),
    metavar="FILE",
    help="Read this file (default: the nearest pipeline.toml).",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Choose the format of stdout; progress goes to stderr.",
)
@click.option("--verbose", is_flag=True, help="Print each step as a line, even on a terminal.")
@click.option("--no-color", is_flag=True, help="Print without colors and without a live display.")
@click.version_option(__version__, prog_name="ami-pipeline")
@click.pass_context
def cli(ctx: click.Context, config: str | None, output: str, verbose: bool, no_color: bool) -> None:
    """Bake an immutable AMI with Packer and put it into service with Terraform.

    The options below work before and after the command. Without an AWS account,
    start with: ami-pipeline init --rehearse
    """
    _use_file(config)
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
    sys.exit(_complete() if "_AMI_PIPELINE_COMPLETE" in os.environ else run(arguments))


def run(arguments: list[str]) -> int:
    """Run the program, print its errors, and return the exit code."""
    as_json = _wants_json(arguments)
    make_printable(sys.stdout, as_json=as_json)
    make_printable(sys.stderr, as_json=False)
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
        return _usage(error, arguments, as_json=as_json)
    except PipelineError as error:
        return _expected(error, as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: an internal error
        return _unexpected(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _complete() -> int:
    """Answer the shell's question; whatever goes wrong, it gets no answer and no message."""
    from contextlib import redirect_stderr, suppress

    with redirect_stderr(io.StringIO()), suppress(Exception, SystemExit):
        cli.main(args=[], prog_name="ami-pipeline", standalone_mode=False)
    return 0


def _wants_json(arguments: list[str]) -> bool:
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)


def _usage(error: click.ClickException, arguments: list[str], *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    # click names no command where the value of an option is missing.
    typed = next((each for each in arguments if each in _COMMANDS), "")
    path = context.command_path if context else f"ami-pipeline {typed}".rstrip()
    what = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and context:
        what = f"Missing command: {', '.join(_below(context))}."
    return _expected(ConfigurationError(path, what, f"{path} --help"), as_json=as_json)


def _below(context: click.Context) -> list[str]:
    group = context.command
    return group.list_commands(context) if isinstance(group, click.Group) else []


def _expected(error: PipelineError, *, as_json: bool) -> int:
    if as_json:
        from pipeline.ui.results import as_json as encode
        from pipeline.ui.results import error_document

        Context(output="json").tell(encode(error_document(error)))
    echo(f"error: {_printable(str(error))}")
    _annotate(error)
    return error.exit_code


def _annotate(error: PipelineError) -> None:
    """Show an error on the page of a GitHub job; a deployment's outcome has a summary there."""
    from pipeline.ui import github

    if github.is_github(os.environ):
        echo(github.error(error.where, f"{error.what}\nnext: {error.remedy}"))


def _printable(text: str) -> str:
    """Return an error's lines without control characters: they may come from other tools."""
    from pipeline.ui.text import one_line

    lines = (line[: len(line) - len(line.lstrip())] + one_line(line) for line in text.split("\n"))
    return "\n".join(lines)


def _interrupted(*, as_json: bool) -> int:
    interrupted = InterruptedRunError(
        "ami-pipeline",
        "interrupted by a signal; anything that had begun was undone or is recorded",
        "run the command again",
    )
    return _expected(interrupted, as_json=as_json)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    import traceback

    echo(_printable("".join(traceback.format_exception(error))))
    internal = InternalError(
        "ami-pipeline",
        f"{type(error).__name__}: {error}",
        "report this bug of ami-pipeline with the lines above",
    )
    return _expected(internal, as_json=as_json)
