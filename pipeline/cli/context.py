"""What every command begins with: the global options, the application, and printing a result."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from pipeline.core.ci import ci_variable

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.app import Application

PAGE = 100
"""Characters in a line of a result that is not shown on a terminal."""


class Context(NamedTuple):
    """The global options of one run; `arguments` is the whole command line.

    A tuple, because `--help` needs no other dataclass: one takes a twentieth of its time.
    """

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
        return self.color and not self.verbose and not self.json and is_terminal(sys.stderr)

    @property
    def width(self) -> int:
        """Return the width for the result: the terminal's, or a log page's."""
        import shutil

        return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else PAGE

    @property
    def columns(self) -> int | None:
        """Return the width of the terminal, None for a pipe: it keeps whole lines."""
        return self.width if is_terminal(sys.stdout) else None

    def again(self, *more: str) -> str:
        """Return this run's command for pasting, with more words at its end."""
        from pipeline.core import commands

        return commands.ami_pipeline(*self.arguments, *more)

    def tell(self, text: str) -> None:
        """Print the result; a closed pipe or a full disk does not change the exit code."""
        from pipeline.ui.icons import drawable

        text = text if self.json else drawable(text, sys.stdout.encoding)
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            discard_stdout()
        except OSError as error:
            discard_stdout()
            echo(f"the result could not be printed: {error.strerror}")


def is_terminal(stream: TextIO) -> bool:
    """Return True if a person is at the other end of a stream.

    The pseudo-terminal of a CI job (Buildkite, act) ends in a log: it shows control codes as
    they are, and no person answers there.
    """
    return stream.isatty() and not ci_variable(os.environ)


def echo(text: str = "", end: str = "\n") -> None:
    """Print a message to stderr; without a reader the command continues.

    `click.echo` would write UTF-8 to a stream that is said to be ASCII.
    """
    with suppress(OSError):
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def discard_stdout() -> None:
    """Prevent Python from flushing stdout again at exit (Python docs, "Note on SIGPIPE")."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


pass_context = click.make_pass_decorator(Context)


class Checked(click.ParamType[Any]):
    """An option's type that a function of `core.validation` checks; a bad value is exit 2."""

    def __init__(self, name: str, rule: str) -> None:
        self.name = name
        self._rule = rule

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the function makes of the value, or fail naming the option."""
        from pipeline.core.validation import (
            deployment_values,
            freeze_values,
            terraform_values,
            values,
        )

        homes = (values, deployment_values, terraform_values, freeze_values)
        rule = next(getattr(home, self._rule) for home in homes if hasattr(home, self._rule))
        try:
            return rule(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@contextmanager
def application(context: Context, dotenv: Path | None = None) -> Iterator[Application]:
    """Give the application to a command that may change an environment, and show its progress.

    Signals are held until the block ends, because a deployment handles them itself. A signal that
    is raised came before anything was changed; one that comes after the end changes nothing. A
    dotenv file that cannot be written is an error before anything is done.
    """
    from pipeline.app import Application, Options
    from pipeline.app.ci_outputs import require_dotenv
    from pipeline.core.errors import InterruptedRunError
    from pipeline.ui.progress import progress

    require_dotenv(dotenv)
    try:
        follows = is_terminal(sys.stdout) and not context.json
        with progress(
            sys.stderr, live=context.live, environ=os.environ, result_follows=follows
        ) as report:
            app = Application.start(Options(config=context.config), report)
            with app.interrupts.held():
                try:
                    yield app
                finally:
                    _finish(app)
                app.interrupts.answer()
    except KeyboardInterrupt:
        what = "interrupted by a signal; nothing was changed"
        raise InterruptedRunError("ami-pipeline", what, context.again()) from None


def _finish(app: Application) -> None:
    """Do what waits for the end of the command, and write the reports of its deployments."""
    app.finish()
    if app.deployed:
        from pipeline.cli.written_reports import write_reports

        write_reports(app)


def reading_application(context: Context) -> Application:
    """Return the application for a command that only reads; its progress is plain lines."""
    from pipeline.app import Application, Options
    from pipeline.ui.plain import PlainProgress

    return Application.start(Options(config=context.config), PlainProgress(sys.stderr).report)
