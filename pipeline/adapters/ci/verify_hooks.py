"""Run the environment's verify hooks: the user's own commands.

A hook gets this process's environment variables, because it may call AWS, and the deployment's
facts. Its output goes to the log; the last lines of a failed hook are in the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join

from pipeline.adapters.files.logs import appending
from pipeline.adapters.process.process import Command, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import Ending
from pipeline.core.errors import FailedError
from pipeline.core.events import Message, Report
from pipeline.core.masking import MaskedOutput, Masker
from pipeline.core.state.deployment import Hook
from pipeline.core.times import format_duration

GRACE = 10.0
"""Seconds a hook has to end after it was asked to."""
LAST_LINES = 10
"""Lines of a failed hook's output in the error."""


@dataclass(kw_only=True)
class CommandHooks:
    """Implements `core.deploy.ports.Hooks`; commands run in `folder`, that of pipeline.toml."""

    environ: Mapping[str, str]
    folder: Path
    log: Path
    report: Report
    interrupts: Interrupts
    masker: Masker = field(default_factory=Masker)

    def run(self, hook: Hook, facts: Mapping[str, str]) -> None:
        """Run a hook; raises FailedError with its last lines if it fails or takes too long.

        Raises KeyboardInterrupt if a signal ended it: that says nothing about the service.
        """
        shown = join(hook.command)
        self.report(Message(text=f"verify hook: {shown}"))
        output = bytearray()
        with appending(self.log) as write:
            write(f"$ {shown}\n".encode())
            masked = MaskedOutput(self.masker, write)

            def keep(chunk: bytes) -> None:
                output.extend(chunk)
                masked.feed(chunk)

            command = Command(argv=hook.command, cwd=self.folder, env={**self.environ, **facts})
            try:
                finished = stream(
                    command, keep, interrupts=self.interrupts, timeout=hook.timeout, grace=GRACE
                )
            except OSError as error:
                raise self._failed(shown, f"cannot be started: {error.strerror}", b"") from error
            masked.close()
        if finished.ending is Ending.INTERRUPTED:
            raise KeyboardInterrupt  # the exit code comes from this process's signal
        if finished.ending is Ending.TIMEOUT:
            raise self._failed(shown, f"did not end within {format_duration(hook.timeout)}", output)
        if finished.code:
            raise self._failed(shown, f"exit code {finished.code}", output)

    def _failed(self, shown: str, what: str, output: bytes | bytearray) -> FailedError:
        text = self.masker.text(output.decode("utf-8", "replace"))
        lines = text.strip().splitlines()[-LAST_LINES:]
        described = "\n".join([what, *(f"| {line}" for line in lines)])
        return FailedError(f"verify hook {shown}", described, f"read {self.log}")
