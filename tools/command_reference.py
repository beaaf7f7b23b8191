"""Write docs/reference/commands.md from the program's own options: `make docs`.

A test renders the page again, so an option without documentation cannot exist.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.cli.main import cli

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/commands.md"
PROGRAM = "ami-pipeline"
WIDTH = 100
HEAD = """\
# Every command and option

This page lists what each command takes. `ami-pipeline COMMAND --help` prints the same.
[Exit codes](exit-codes.md) says how each command ends.

<!-- Written by `make docs` from the command line itself: do not edit. -->
"""


def rendered() -> str:
    """Return the page."""
    root = click.Context(cli, info_name=PROGRAM, **cli.context_settings)
    blocks = [HEAD, *_section(root, "## Before or after the command")]
    for context in _contexts(root):
        title = context.command_path.removeprefix(f"{PROGRAM} ")
        blocks += _section(context, f"## {title}")
    return "\n".join(blocks)


def _contexts(parent: click.Context) -> Iterator[click.Context]:
    """Yield each command in the order of `--help`, a group before its commands."""
    group = parent.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is not None:
            context = click.Context(command, info_name=name, parent=parent)
            yield context
            yield from _contexts(context)


def _section(context: click.Context, heading: str) -> Iterator[str]:
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{heading}\n\n```text\n{context.command_path} {usage}\n```\n"
    yield _paragraphs(command.help or "")
    if rows := _rows(context):
        yield "\n".join(["| option | meaning |", "|---|---|", *rows, ""])


def _rows(context: click.Context) -> list[str]:
    options = [each for each in context.command.params if isinstance(each, click.Option)]
    return [_row(option, context) for option in options if not option.hidden]


def _paragraphs(text: str) -> str:
    blocks = inspect.cleandoc(text).split("\n\n")
    return "".join(
        textwrap.fill(" ".join(block.split()), WIDTH, break_on_hyphens=False) + "\n\n"
        for block in blocks
    ).removesuffix("\n")


def _row(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    names = ", ".join(option.opts) + value.replace("|", "\\|")
    return f"| `{names}` | {' '.join([*_meaning(option)])} |"


def _meaning(option: click.Option) -> Iterator[str]:
    yield (option.help or "").replace("|", "\\|")
    if option.required:
        yield "Required."
    if option.show_default and not option.is_flag:
        yield f"Default: `{option.default}`."
    if option.envvar:
        yield f"Also `{option.envvar}`."


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered())
    print(PAGE)


if __name__ == "__main__":
    main()
