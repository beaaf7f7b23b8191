"""Runs the environment's verify hooks: a person's own commands, with the deployment's facts.

They get our environment, for they ask AWS and the service questions of their own, and the
facts besides. What they print goes to the log and, where they fail, its last lines to the reader.
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
from pipeline.core.masking import Masker
from pipeline.core.state.deployment import Hook

GRACE = 10.0
LAST = 10


@dataclass(kw_only=True)
class CommandHooks:
    """Fulfils `core.ports.Hooks`; commands run in `folder`, that of pipeline.toml."""

    environ: Mapping[str, str]
    folder: Path
    log: Path
    report: Report
    interrupts: Interrupts
    masker: Masker = field(default_factory=Masker)

    def run(self, hook: Hook, facts: Mapping[str, str]) -> None:
        """Return if it exits with 0 in time; raises FailedError with its last lines.

        Raises KeyboardInterrupt where a signal ended it: that says nothing of the service.
        """
        shown = join(hook.command)
        self.report(Message(text=f"verify hook: {shown}"))
        output, unsettled = bytearray(), bytearray()
        with appending(self.log) as write:
            write(f"$ {shown}\n".encode())

            def keep(chunk: bytes) -> None:
                output.extend(chunk)
                unsettled.extend(chunk)
                end = self.masker.settled(bytes(unsettled))
                write(self.masker.mask(bytes(unsettled[:end])))
                del unsettled[:end]

            command = Command(argv=hook.command, cwd=self.folder, env={**self.environ, **facts})
            try:
                finished = stream(
                    command, keep, interrupts=self.interrupts, timeout=hook.timeout, grace=GRACE
                )
            except OSError as error:
                raise self._failed(shown, f"cannot be started: {error.strerror}", b"") from error
            write(self.masker.mask(bytes(unsettled)))
        if finished.ending is Ending.INTERRUPTED:
            raise KeyboardInterrupt  # its exit code is our doing
        if finished.ending is Ending.TIMEOUT:
            raise self._failed(shown, f"did not end within {hook.timeout:g} s", output)
        if finished.code:
            raise self._failed(shown, f"exit code {finished.code}", output)

    def _failed(self, shown: str, what: str, output: bytes | bytearray) -> FailedError:
        words = self.masker.text(output.decode("utf-8", "replace"))
        lines = words.strip().splitlines()[-LAST:]
        said = "\n".join([what, *(f"| {line}" for line in lines)])
        return FailedError(f"verify hook {shown}", said, f"read {self.log}")
