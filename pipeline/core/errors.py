"""Every way a command can end badly: its exit code and its three parts.

One file, so that the exit codes can be read at a glance and a test can hold
them unique. An error says *where* it happened, *what* went wrong in the
tool's own words, and what to do *now*: a command to paste or a line to change.
Whoever raises one writes all three; only `pipeline.cli.main` catches.
"""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """The base of every expected failure; never raised itself.

    `where` names the step, file or field; `what` holds one or more lines, of a
    tool's own output where there is some; `remedy` is what the reader does next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy)
        self.where = where
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        body = "\n".join(f"  {line}" for line in self.what.strip("\n").split("\n"))
        return f"{self.where}:\n{body}\nnext: {self.remedy}"


class InternalError(PipelineError):
    """Ours: an exception that nobody expected."""


class ConfigurationError(PipelineError):
    """The command line, pipeline.toml or a template is wrong; nothing was touched."""

    exit_code = 2


class RefusedError(PipelineError):
    """The world is not as the command needs it; nothing was touched."""

    exit_code = 3


class FailedError(PipelineError):
    """The work began, failed, and everything was put back."""

    exit_code = 4


class NeedsAttentionError(PipelineError):
    """The work failed and something was left behind that a person must look at."""

    exit_code = 5


class LeaseHeldError(PipelineError):
    """Another run holds the lease on the environment; nothing was touched."""

    exit_code = 6


class InterruptedRunError(PipelineError):
    """A signal ended the run; nothing was changed or everything was put back."""

    exit_code = 130
