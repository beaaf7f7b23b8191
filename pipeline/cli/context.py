"""The global options of the command line, and how to print a result."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import Any

import click

from pipeline.core import commands

PAGE = 100
"""Characters in a line of a result that is not shown on a terminal."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The global options of one run; `arguments` is the whole command line."""

    config: str | None = None
    output: str = "text"
    verbose: bool = False
    color: bool = True
    arguments: tuple[str, ...] = ()

    @property
    def json(self) -> bool:
        """Return True if stdout must hold one JSON document."""
        return self.output == "json"

    @property
    def live(self) -> bool:
        """Return True if progress may redraw itself: on a terminal, and not with --verbose."""
        return self.color and not self.verbose and not self.json and sys.stderr.isatty()

    @property
    def width(self) -> int:
        """Return the width for the result: the terminal's, or a log page's."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else PAGE

    def again(self, *more: str) -> str:
        """Return this run's command for pasting, with more words at its end."""
        return commands.ami_pipeline(*self.arguments, *more)

    def tell(self, text: str) -> None:
        """Print the result; a closed pipe or a full disk does not change the exit code."""
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_stdout()
        except OSError as error:
            _discard_stdout()
            click.echo(f"the result could not be printed: {error.strerror}", err=True)


def _discard_stdout() -> None:
    """Prevent Python from flushing stdout again at exit (Python docs, "Note on SIGPIPE")."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


pass_context = click.make_pass_decorator(Context)


class Checked(click.ParamType[str]):
    """An option's type that a function of `core.validation` checks; a bad value is exit 2."""

    def __init__(self, name: str, rule: str) -> None:
        self.name = name
        self._rule = rule

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail naming the option."""
        from pipeline.core.validation import deployment_values, values

        rule = getattr(values, self._rule, None) or getattr(deployment_values, self._rule)
        try:
            checked: str = rule(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return checked
