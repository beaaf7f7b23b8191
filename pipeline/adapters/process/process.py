"""Starts programs: the only place that does.

Each child has its own session, so that a terminal's Ctrl-C reaches us alone and
we decide what the child gets (`Ask`): Packer ignores SIGINT sent to its own process
and leaves children behind on a SIGTERM to it, but ends properly when its whole
group gets SIGTERM (tried on 1.6.6, docs/surprises.md). Terraform is the other way
round: its providers are in its group, and a signal to them loses what they make.
Each has a guardian too, which asks it in our stead once we are killed (ADR 0019).
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.process import supervisor
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import Ending

CHUNK = 1 << 16
TICK = 0.1
GRACE = 10.0
"""Seconds a short command has to end in once we were killed."""
# An interpreter may need them to start at all; the rest of our environment is the child's affair.
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A program with its arguments (never a shell line), where it runs and all it sees.

    `kept` are descriptors that stay open until its guardian ends; it does not see them itself.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    kept: tuple[int, ...] = ()


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
    stderr = subprocess.STDOUT if errors else subprocess.DEVNULL
    with _started(command, TERMINATE_ALL, GRACE, stderr=stderr) as child:
        try:
            output, _ = child.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(f"{command.argv[0]} did not end within {timeout:g} s") from late
        return child.process.returncode, output


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
    with interrupts.held(), _started(command, ask, grace) as child:
        limits = _Limits(deadline=time.monotonic() + timeout, grace=grace)
        run = _Run(child, on_output, interrupts, limits)
        run.on_interrupt = on_interrupt
        return run.to_the_end()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Child:
    """A program that runs; `control` is the pipe to its guardian, whose end says that we died."""

    process: subprocess.Popen[bytes]
    control: int
    ask: Ask

    def end(self) -> None:
        """Have it asked to end; by its guardian, for it must be asked once, also if we die now."""
        try:
            os.write(self.control, b"x")
        except BrokenPipeError:  # somebody killed the guardian
            if self.ask.alone:
                self.process.send_signal(self.ask.number)
            else:
                self.signal_group(self.ask.number)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the child's whole group; what it left running counts as the child."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


@contextmanager
def _started(
    command: Command, ask: Ask, grace: float, *, stderr: int = subprocess.STDOUT
) -> Iterator[_Child]:
    """Start a program beside its guardian; it and all that it started are gone afterwards."""
    with ExitStack() as ours:
        with ExitStack() as theirs:
            told, control = _pipe(theirs, ours)
            written, output = _pipe(theirs, ours, written=True)
            reporting, report = _pipe(theirs, ours, written=True)
            passed = (output, reporting, *command.kept)
            process = subprocess.Popen(
                [sys.executable, "-IS", supervisor.__file__, *map(str, passed)],
                cwd=command.cwd,
                env={name: os.environ[name] for name in _LIBRARIES if name in os.environ},
                stdin=told,
                stdout=written,
                stderr=stderr,
                pass_fds=passed,
                start_new_session=True,
            )
            child = _Child(process=process, control=control, ask=ask)
            ours.callback(process.wait)
            ours.callback(child.signal_group, signal.SIGKILL)
        process.stdout = ours.enter_context(os.fdopen(output, "rb", closefd=False))
        _become(command, ask, grace, control, report)
        yield child


def _pipe(theirs: ExitStack, ours: ExitStack, *, written: bool = False) -> tuple[int, int]:
    """Return the end of a pipe that the child gets, and ours; `written` if the child writes."""
    ends = os.pipe()
    their, our = reversed(ends) if written else ends
    theirs.callback(os.close, their)
    ours.callback(os.close, our)
    return their, our


def _become(command: Command, ask: Ask, grace: float, control: int, report: int) -> None:
    """Tell what was started which program to be; raises OSError where it cannot be that."""
    name = command.argv[0]
    folders = [""] if "/" in name else os.get_exec_path(command.env)
    told = marshal.dumps(
        (
            tuple(os.fsencode(Path(folder) / name) for folder in folders),
            [os.fsencode(word) for word in command.argv],
            {os.fsencode(key): os.fsencode(value) for key, value in command.env.items()},
            int(ask.number),
            ask.alone,
            float(grace),
        )
    )
    with os.fdopen(control, "wb", closefd=False) as pipe:
        pipe.write(len(told).to_bytes(supervisor.LENGTH, "big") + told)
    if code := os.read(report, CHUNK):
        raise OSError(int(code), os.strerror(int(code)), name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """When a child is to end; `deadline` is of the monotonic clock."""

    deadline: float
    grace: float


class _Run:
    """One streamed child: reading, and ending it when it is time."""

    def __init__(
        self,
        child: _Child,
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
        assert self._child.process.stdout is not None  # noqa: S101 - it was given a pipe
        pipe = self._child.process.stdout.fileno()
        while self._read(pipe):
            self._look_at_the_time()
        code = self._child.process.wait()
        if self._failure:
            raise self._failure
        return Finished(ending=self._ending, code=code)

    def _read(self, pipe: int) -> bool:
        """Pass one chunk on; False once nothing more can come."""
        ready, _, _ = select.select([pipe], [], [], TICK)
        if not ready:
            return self._child.process.poll() is None or self._still_held_open()
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
        self._child.signal_group(signal.SIGKILL)
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
            self._child.signal_group(signal.SIGKILL)

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._kill_at = time.monotonic() + self._limits.grace
        self._child.end()
