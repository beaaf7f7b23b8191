"""Run hooks and policies on this machine: the user's own commands.

A hook gets this process's environment variables, because it may call AWS, and the deployment's
facts. Its output goes to the log and into its result; the last lines of a failed hook are in the
failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join

from pipeline.adapters.files.logs import appending
from pipeline.adapters.process.process import Command, Finished, stream
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import Ending
from pipeline.core.hooks.hook import NOT_STARTED, Hook, HookResult
from pipeline.core.hooks.output import LONGEST_OUTPUT, kept_output, with_last_lines
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.masking import MaskedOutput, Masker
from pipeline.core.times import format_duration

GRACE = 10.0
"""Seconds a hook has to end after it was asked to."""
KEPT = 4 * LONGEST_OUTPUT
"""Bytes of its output that are kept in memory: a program may print without end."""
MOST_LOGGED = 16 * 1024 * 1024
"""Bytes of its output that go to the log, and the size from which on the log is a new file."""
LEFT_OUT = b"\nthe log leaves out what follows\n"


@dataclass(kw_only=True)
class CommandHooks:
    """Implements `core.deploy.ports.Hooks`; commands run in `folder`, that of pipeline.toml."""

    environ: Mapping[str, str]
    folder: Path
    log: Path
    interrupts: Interrupts
    masker: Masker = field(default_factory=Masker)

    def run(
        self,
        hook: Hook,
        facts: Mapping[str, str],
        members: Callable[[], Sequence[str]],  # noqa: ARG002 - the port has it
    ) -> HookResult:
        """Run a hook; return how it ended.

        Raises KeyboardInterrupt if a signal ended it: that says nothing about the service.
        """
        return self._run(hook.command, hook.timeout, facts)

    def decide(self, policy: PolicyProgram, facts: Mapping[str, str], plan: bytes) -> HookResult:
        """Run a policy, which reads the plan; return how it ended. Raises as `run`."""
        return self._run(policy.command, policy.timeout, facts, plan)

    def _run(
        self, argv: Sequence[str], timeout: float, facts: Mapping[str, str], stdin: bytes = b""
    ) -> HookResult:
        output = bytearray()
        with appending(self.log, MOST_LOGGED) as write:
            write(f"$ {join(argv)}\n".encode())
            room = MOST_LOGGED

            def keep(chunk: bytes) -> None:
                nonlocal room
                if room > 0:
                    write(chunk if len(chunk) <= room else chunk[:room] + LEFT_OUT)
                room -= len(chunk)
                output.extend(chunk)
                if len(output) > 2 * KEPT:  # seldom, because it moves the rest
                    del output[:-KEPT]

            masked = MaskedOutput(self.masker, keep)
            env = {**self.environ, **facts}
            command = Command(argv=argv, cwd=self.folder, env=env, stdin=stdin)
            try:
                finished = stream(
                    command, masked.feed, interrupts=self.interrupts, timeout=timeout, grace=GRACE
                )
            except OSError as error:
                what = f"cannot be started: {error.strerror}"
                return HookResult(code=NOT_STARTED, failure=what)
            masked.close()
        # Cut after the secrets were masked: a part of one would not be found.
        text = output.decode("utf-8", "replace")
        return _result(timeout, finished, text)


def _result(timeout: float, finished: Finished, text: str) -> HookResult:
    """Return how a program ended; one that a signal killed may not have done all of its work."""
    if finished.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt  # the exit code comes from this process's signal
    what, code = "", finished.code if finished.code >= 0 else None
    if finished.ending is Ending.TIMEOUT:
        what, code = f"did not end within {format_duration(timeout)}", None
    elif finished.code:
        what = f"exit code {finished.code}"
    failure = with_last_lines(what, text) if what else ""
    return HookResult(code=code, failure=failure, output=kept_output(text))
