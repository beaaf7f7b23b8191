"""Define each error that a command can end with, its exit code and its three parts.

One file, so that the exit codes can be read at a glance and a test can hold
them unique. An error says *where* it happened, *what* happened in the tool's
own words, and its *remedy*: a command to paste or a line to change. The code
that raises an error gives all three; only `pipeline.cli.main` catches it.
"""

from __future__ import annotations

from typing import ClassVar, Final

PAUSED: Final = 7
"""The exit code of a deployment that waits for a person, which is no error."""


class PipelineError(Exception):
    """The base of every expected error; never raised itself.

    `where` names the step, file or field. `what` holds one or more lines, with the tool's own
    output if there is any. `remedy` is the reader's next command or edit.
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
    """An unexpected exception: a bug of this program."""


class ConfigurationError(PipelineError):
    """The command line, pipeline.toml or a template is wrong; nothing was changed."""

    exit_code = 2


class RefusedError(PipelineError):
    """The environment does not allow the command; nothing was changed."""

    exit_code = 3


class FailedError(PipelineError):
    """The command failed, and everything was restored."""

    exit_code = 4


class NeedsAttentionError(PipelineError):
    """The command failed and could not restore everything; a person must act."""

    exit_code = 5


class LeaseHeldError(PipelineError):
    """Another run holds the lease on the environment; nothing was changed."""

    exit_code = 6


class InterruptedRunError(PipelineError):
    """A signal ended the run; nothing was changed, or everything was restored."""

    exit_code = 130
