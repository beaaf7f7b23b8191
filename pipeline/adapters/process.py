"""Starts programs: the only place that does.

Each child has its own session, so that a terminal's Ctrl-C reaches us alone and
we decide what the child gets (`Ask`): Packer ignores SIGINT sent to its own process
and leaves children behind on a SIGTERM to it, but ends properly when its whole
group gets SIGTERM (tried on 1.6.6, docs/surprises.md). Terraform is the other way
round: its providers are in its group, and a signal to them loses what they make.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.interrupts import Interrupts
from pipeline.core.model import Ending

CHUNK = 1 << 16
TICK = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A program with its arguments (never a shell line), where it runs and all it sees."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """How a child is asked to end: by which signal, its own process `alone` or its whole group.

    It is asked once. What does not end in its grace is killed with its group, however asked.
    """

    number: signal.Signals
    alone: bool


TERMINATE_ALL = Ask(number=signal.SIGTERM, alone=False)
INTERRUPT_ALONE = Ask(number=signal.SIGINT, alone=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a streamed child ended; `code` is negative for a signal, as in `subprocess`."""

    ending: Ending
    code: int


def capture(command: Command, *, timeout: float, errors: bool = True) -> tuple[int, bytes]:
    """Run a short command; return its exit code and what it printed, with `errors` stderr too.

    Raises FileNotFoundError or PermissionError where it cannot be started and
    TimeoutError where it does not end; the child and its children are gone then.
    """
    with _started(command, stderr=subprocess.STDOUT if errors else subprocess.DEVNULL) as child:
        try:
            output, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(f"{command.argv[0]} did not end within {timeout:g} s") from late
        return child.returncode, output


def stream(
    command: Command,
    on_output: Callable[[bytes], None],
    *,
    interrupts: Interrupts,
    timeout: float,
    grace: float,
    ask: Ask = TERMINATE_ALL,
    on_interrupt: Callable[[], None] = lambda: None,
) -> Finished:
    """Run a command, handing over its output as it comes, and see it to its end.

    `on_interrupt` is called once a signal to us has been passed on, for that may take a while.
    After `timeout` seconds, or a signal to us, the child is asked to end, `grace`
    seconds later its group gets SIGKILL; a second signal to us shortens the grace.
    Where `on_output` raises (a full disk, say), the child is ended the same way and
    the error goes on to the caller. May be called in a thread of its own.
    """
    with interrupts.held(), _started(command) as child:
        limits = _Limits(ask=ask, deadline=time.monotonic() + timeout, grace=grace)
        run = _Run(child, on_output, interrupts, limits)
        run.on_interrupt = on_interrupt
        return run.to_the_end()


@contextmanager
def _started(
    command: Command, stderr: int = subprocess.STDOUT
) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        list(command.argv),
        cwd=command.cwd,
        env=dict(command.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the child's whole group; what it left running counts as the child."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """When a child is to end and how; `deadline` is of the monotonic clock."""

    ask: Ask
    deadline: float
    grace: float


class _Run:
    """One streamed child: reading, and ending it when it is time."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        on_output: Callable[[bytes], None],
        interrupts: Interrupts,
        limits: _Limits,
    ) -> None:
        self._child = child
        self._on_output = on_output
        self._interrupts = interrupts
        self._answered = interrupts.arrived - interrupts.count
        self._limits = limits
        self._ending = Ending.EXITED
        self._failure: Exception | None = None
        self._kill_at = float("inf")
        self.on_interrupt: Callable[[], None] = lambda: None

    def to_the_end(self) -> Finished:
        assert self._child.stdout is not None  # noqa: S101 - Popen was given a pipe
        pipe = self._child.stdout.fileno()
        while self._read(pipe):
            self._look_at_the_time()
        code = self._child.wait()
        if self._failure:
            raise self._failure
        return Finished(ending=self._ending, code=code)

    def _read(self, pipe: int) -> bool:
        """Pass one chunk on; False once nothing more can come."""
        ready, _, _ = select.select([pipe], [], [], TICK)
        if not ready:
            return self._child.poll() is None or self._still_held_open()
        chunk = os.read(pipe, CHUNK)
        if chunk and not self._failure:
            try:
                self._on_output(chunk)
            except Exception as failure:  # noqa: BLE001 - whatever it is, the child ends first
                self._failure = failure
                self._end(Ending.EXITED)
        return bool(chunk)

    def _still_held_open(self) -> bool:
        """The program has ended but a child of its own keeps the pipe: end that too, now."""
        _signal_group(self._child, signal.SIGKILL)
        return False

    def _look_at_the_time(self) -> None:
        signals, now = self._interrupts.arrived - self._answered, time.monotonic()
        if self._kill_at == float("inf"):
            if signals:
                self._end(Ending.INTERRUPTED)
                self.on_interrupt()
            elif now > self._limits.deadline:
                self._end(Ending.TIMEOUT)
        elif now > self._kill_at or signals > 1:
            _signal_group(self._child, signal.SIGKILL)

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._kill_at = time.monotonic() + self._limits.grace
        if self._limits.ask.alone:
            self._child.send_signal(self._limits.ask.number)
        else:
            _signal_group(self._child, self._limits.ask.number)
