"""What every command knows of the command line: the global options and how to print."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import Any

import click

PAGE = 100
"""Characters in a line of a result that no terminal shows."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The options before the command; `arguments` is the whole command line."""

    config: str | None = None
    output: str = "text"
    verbose: bool = False
    color: bool = True
    arguments: tuple[str, ...] = ()

    @property
    def json(self) -> bool:
        """Whether stdout is to hold one JSON document."""
        return self.output == "json"

    @property
    def live(self) -> bool:
        """Whether a display that redraws itself is wanted: a terminal, and no log of one."""
        return self.color and not self.verbose and not self.json and sys.stderr.isatty()

    @property
    def width(self) -> int:
        """How wide the result may be: as the terminal, or as wide as a page of a log."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else PAGE

    def again(self, *more: str) -> str:
        """Return the command as it was given, to be pasted, with more words at its end."""
        return shlex.join(["ami-pipeline", *self.arguments, *more])

    def tell(self, text: str) -> None:
        """Print the result. Nobody reading it, or a full disk, does not change what was done."""
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_stdout()
        except OSError as error:
            _discard_stdout()
            click.echo(f"the result could not be printed: {error.strerror}", err=True)


def _discard_stdout() -> None:
    """Keep Python from trying once more at its end (its docs, "Note on SIGPIPE")."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


pass_context = click.make_pass_decorator(Context)


class Checked(click.ParamType[str]):
    """An option's value, held to a rule of `core.rules` or `service_rules`; a breach is exit 2."""

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
