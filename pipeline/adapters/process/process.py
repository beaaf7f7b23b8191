"""Start programs; the only module that does.

Each child has its own session, so a terminal's Ctrl-C reaches only this process, which chooses the
child's signal (`StopSignal`). Packer ignores SIGINT to its process and leaves children behind after
SIGTERM to its process, but ends properly if its whole group gets SIGTERM (tested with 1.6.6,
docs/development/surprises.md). Terraform's providers are in its group, and a signal to them
loses the resources that they create, so only Terraform itself gets a signal. Each child has
a supervisor, which stops it if this process is killed (ADR 0019).
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.adapters.process import supervisor
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import Ending
from pipeline.core.times import format_duration

CHUNK = 1 << 16
TICK = 0.1
GRACE = 10.0
"""Seconds a short command has to end after this process was killed."""
# Python may need these to start the supervisor; the child gets only its own environment.
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A program with its arguments (not a shell line), its working directory and environment.

    `kept` are descriptors that its supervisor keeps open; the program does not get them. It reads
    `stdin` from a file without a name, so it may read all of it, a part, or nothing.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    kept: tuple[int, ...] = ()
    stdin: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class StopSignal:
    """The signal that stops a child, sent to its process `alone` or to its whole group.

    It is sent once. A child that does not end within its grace period is killed with its group.
    """

    number: signal.Signals
    alone: bool


TERMINATE_ALL = StopSignal(number=signal.SIGTERM, alone=False)
INTERRUPT_ALONE = StopSignal(number=signal.SIGINT, alone=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The end of a streamed child; `code` is negative for a signal, as in `subprocess`."""

    ending: Ending
    code: int


def capture(command: Command, *, timeout: float, errors: bool = True) -> tuple[int, bytes]:
    """Run a short command; return its exit code and its output, including stderr with `errors`.

    Raises FileNotFoundError or PermissionError if it cannot be started, and TimeoutError after
    `timeout` seconds; the child and its children have ended then.
    """
    stderr = subprocess.STDOUT if errors else subprocess.DEVNULL
    with _started(command, TERMINATE_ALL, GRACE, stderr=stderr) as child:
        try:
            output, _ = child.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            what = f"{command.argv[0]} did not end within {format_duration(timeout)}"
            raise TimeoutError(what) from late
        return child.process.returncode, output


def stream(
    command: Command,
    on_output: Callable[[bytes], None],
    *,
    interrupts: Interrupts,
    timeout: float,
    grace: float,
    stop: StopSignal = TERMINATE_ALL,
    on_interrupt: Callable[[], None] = lambda: None,
) -> Finished:
    """Run a command to its end and pass on its output while it runs.

    After `timeout` seconds, or after a signal to this process, the child gets `stop`; `grace`
    seconds later its group gets SIGKILL. A second signal to this process ends the grace period.
    `on_interrupt` is called after the child was stopped because of a signal. If `on_output` raises
    (the disk is full), the child is stopped the same way and the error is raised. May be called in
    any thread.
    """
    with interrupts.held(), _started(command, stop, grace) as child:
        limits = _Limits(deadline=time.monotonic() + timeout, grace=grace)
        run = _Run(child, on_output, interrupts, limits)
        run.on_interrupt = on_interrupt
        return run.until_end()


def on_terminal(command: Command) -> int:
    """Run a program on the terminal of this process until it ends; return its exit code.

    The keys of the terminal are for that program: Ctrl-C does not end this one. Another
    signal ends both and raises KeyboardInterrupt. Raises OSError if it cannot be started.
    """
    keys = (signal.SIGINT, signal.SIGQUIT)
    # Handlers, because a program would inherit that a signal is ignored (execve(2)).
    before = {number: signal.signal(number, lambda *_: None) for number in keys}
    try:
        with subprocess.Popen(command.argv, cwd=command.cwd, env=dict(command.env)) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.terminate()
                raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A program that runs beside other children until `close`.

    `line` is the one that said that it is ready. It ends with this process, but not before the
    children that keep `held` (`Command.kept`) have ended.
    """

    line: bytes
    pid: int
    held: int
    _process: subprocess.Popen[bytes]
    _resources: ExitStack

    def has_ended(self, within: float = 0.0) -> bool:
        """Return True if the program has ended, or ends within so many seconds."""
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Kill the program and its children; may be called again."""
        self._resources.close()


def serve(
    command: Command,
    on_output: Callable[[bytes], None],
    *,
    ready: Callable[[bytes], bool],
    timeout: float,
) -> Service:
    """Start a program and return it once it has printed a line that is `ready`.

    `on_output` gets its other output, later in a thread of its own, and must not raise. Raises
    OSError if the program cannot be started or ends first, and TimeoutError after `timeout`
    seconds; nothing is left running then.
    """
    with ExitStack() as stack:
        child = stack.enter_context(_started(command, TERMINATE_ALL, TICK))
        line = _await_line(child, on_output, ready, timeout)
        reader = threading.Thread(target=_pass_on, args=(child.output, on_output), daemon=True)
        reader.start()
        # In reverse order: the reader only ends once the program has.
        stack.callback(reader.join)
        stack.callback(child.signal_group, signal.SIGKILL)
        return Service(
            line=line,
            pid=child.process.pid,
            held=child.control,
            _process=child.process,
            _resources=stack.pop_all(),
        )


def _await_line(
    child: _Child,
    on_output: Callable[[bytes], None],
    ready: Callable[[bytes], bool],
    timeout: float,
) -> bytes:
    """Return the first line of a child's output that is ready; pass on everything else."""
    deadline, last = time.monotonic() + timeout, b""
    while select.select([child.output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if not (chunk := os.read(child.output, CHUNK)):
            raise OSError(f"it ended at its start, exit code {child.process.wait()}")
        *lines, last = (last + chunk).split(b"\n")
        found = next((line for line in lines if ready(line)), None)
        on_output(b"".join(line + b"\n" for line in lines if line != found))
        if found is not None:
            on_output(last)
            return found
    raise TimeoutError(f"it was not ready within {format_duration(timeout)}")


def _pass_on(output: int, on_output: Callable[[bytes], None]) -> None:
    while chunk := os.read(output, CHUNK):
        on_output(chunk)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Child:
    """A running program; `control` is the pipe to its supervisor, which closes if this one dies."""

    process: subprocess.Popen[bytes]
    control: int
    output: int
    stop: StopSignal

    def end(self) -> None:
        """Stop the child; its supervisor sends the signal, exactly once even if this one dies."""
        try:
            os.write(self.control, b"x")
        except BrokenPipeError:  # the supervisor was killed
            if self.stop.alone:
                self.process.send_signal(self.stop.number)
            else:
                self.signal_group(self.stop.number)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the child's whole process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


@contextmanager
def _started(
    command: Command, stop: StopSignal, grace: float, *, stderr: int = subprocess.STDOUT
) -> Iterator[_Child]:
    """Start a program and its supervisor; end its whole group after the block."""
    with ExitStack() as ours:
        with ExitStack() as theirs:
            stdin, control = _pipe(theirs, ours)
            written, output = _pipe(theirs, ours, written=True)
            reporting, report = _pipe(theirs, ours, written=True)
            given = _opened(theirs, command.stdin)
            passed = (output, reporting, *command.kept, *given)
            process = subprocess.Popen(
                [sys.executable, "-IS", supervisor.__file__, *map(str, passed)],
                cwd=command.cwd,
                env={name: os.environ[name] for name in _LIBRARIES if name in os.environ},
                stdin=stdin,
                stdout=written,
                stderr=stderr,
                pass_fds=passed,
                start_new_session=True,
            )
            child = _Child(process=process, control=control, output=output, stop=stop)
            ours.callback(process.wait)
            ours.callback(child.signal_group, signal.SIGKILL)
        process.stdout = ours.enter_context(os.fdopen(output, "rb", closefd=False))
        _send_command(command, stop, grace, control, report, given)
        yield child


def _opened(theirs: ExitStack, data: bytes) -> tuple[int, ...]:
    """Return the descriptor of a file with these bytes; none if there are none."""
    if not data:
        return ()
    file = theirs.enter_context(TemporaryFile())  # noqa: SIM115 - the caller's block closes it
    file.write(data)
    file.seek(0)  # which also flushes it
    return (file.fileno(),)


def _pipe(theirs: ExitStack, ours: ExitStack, *, written: bool = False) -> tuple[int, int]:
    """Return the child's end of a pipe and this process's; `written` if the child writes."""
    ends = os.pipe()
    their, our = reversed(ends) if written else ends
    theirs.callback(os.close, their)
    ours.callback(os.close, our)
    return their, our


def _send_command(
    command: Command,
    stop: StopSignal,
    grace: float,
    control: int,
    report: int,
    given: tuple[int, ...],
) -> None:
    """Send the command to the supervisor program; raises OSError if it cannot be started."""
    name = command.argv[0]
    folders = [""] if "/" in name else os.get_exec_path(command.env)
    message = marshal.dumps(
        (
            tuple(os.fsencode(Path(folder) / name) for folder in folders),
            [os.fsencode(word) for word in command.argv],
            {os.fsencode(key): os.fsencode(value) for key, value in command.env.items()},
            int(stop.number),
            stop.alone,
            float(grace),
            given,
        )
    )
    with os.fdopen(control, "wb", closefd=False) as pipe:
        pipe.write(len(message).to_bytes(supervisor.LENGTH, "big") + message)
    if code := os.read(report, CHUNK):
        raise OSError(int(code), os.strerror(int(code)), name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """The limits of a child: `deadline` on the monotonic clock, `grace` in seconds."""

    deadline: float
    grace: float


class _Run:
    """One streamed child: reads its output and stops it when its time is up."""

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

    def until_end(self) -> Finished:
        assert self._child.process.stdout is not None  # noqa: S101 - its stdout is a pipe
        pipe = self._child.process.stdout.fileno()
        while self._read(pipe):
            self._check_limits()
        code = self._child.process.wait()
        if self._failure:
            raise self._failure
        return Finished(ending=self._ending, code=code)

    def _read(self, pipe: int) -> bool:
        """Pass one chunk on; return False at the end of the output."""
        ready, _, _ = select.select([pipe], [], [], TICK)
        if not ready:
            return self._child.process.poll() is None or self._end_of_children()
        chunk = os.read(pipe, CHUNK)
        if chunk and not self._failure:
            try:
                self._on_output(chunk)
            except Exception as failure:  # noqa: BLE001 - the child ends before any error is raised
                self._failure = failure
                self._end(Ending.EXITED)
        return bool(chunk)

    def _end_of_children(self) -> bool:
        """Kill the children of an ended program that keep the pipe open; return False."""
        self._child.signal_group(signal.SIGKILL)
        return False

    def _check_limits(self) -> None:
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
