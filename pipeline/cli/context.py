"""What every command knows of the command line: the global options and how to print."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, kw_only=True)
class Context:
    """The options before the command."""

    config: str | None = None
    output: str = "text"
    verbose: bool = False
    color: bool = True

    @property
    def json(self) -> bool:
        """Whether stdout is to hold one JSON document."""
        return self.output == "json"

    @property
    def live(self) -> bool:
        """Whether a display that redraws itself is wanted: a terminal, and no log of one."""
        return self.color and not self.verbose and not self.json and sys.stderr.isatty()


pass_context = click.make_pass_decorator(Context)


class Checked(click.ParamType[str]):
    """An option's value, held to one of the rules of `core.rules`; a breach is exit 2."""

    def __init__(self, name: str, rule: str) -> None:
        self.name = name
        self._rule = rule

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail naming the option."""
        from pipeline.core import rules

        try:
            checked: str = getattr(rules, self._rule)(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return checked
