"""Start a program beside a supervisor, which ends the program if its starter is killed.

This file is a program, run as `python -IS supervisor.py`. It imports only built-in modules, because
the start of every child waits for it (about 12 ms). `process` starts it and sends it the command
over a pipe. It forks the supervisor first, so the child never runs unsupervised, and then replaces
itself by the command.

The supervisor reads the same pipe. A byte means: stop the child. The end of the pipe means that the
starter has been killed, because only the starter writes to it. The supervisor then stops the child,
unless that was done before: a second SIGINT would make Terraform give up. No other process signals
the child, so it gets exactly one signal. Until the child has ended, the supervisor reads its
output: otherwise the child would die of SIGPIPE before it saved its state. At the end it kills the
child's group, including itself. While the starter lives, the starter does that.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` loads `enum`: as long as all the rest
import marshal
import posix
import sys
import time

CONTROL = 0
"""The pipe from the starter: a length and the command, a byte to stop, the end when killed."""
LENGTH = 4
CHUNK = 1 << 16
TICK = 0.02
# Python ignores the first two signals, and an ignored signal stays ignored after exec.
_RESTORED = (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT)
_GROUP_ENDS_BY = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM)


def main(output: int, report: int, kept: list[int]) -> None:
    """Start the supervisor and become the child.

    `output` is the read end of the child's output; `report` takes the errno of a failed start.
    `kept` are descriptors that stay open until the supervisor ends.
    """
    try:
        paths, argv, env, number, alone, grace, given = marshal.loads(_read_command())  # noqa: S302  written by `process`
        child = posix.getpid()
        # Two forks: the supervisor must not be a child of the program.
        if between := posix.fork():
            posix.waitpid(between, 0)
            for each in (output, report, *kept):
                posix.set_inheritable(each, False)
            _silence(CONTROL)
            for each in given:
                posix.dup2(each, CONTROL)
            _become(paths, argv, env)
        elif posix.fork() == 0:
            posix.close(report)
            _supervise(child, child if alone else -child, number, grace, output)
    except OSError as error:
        posix.write(report, str(error.errno).encode())
    except EOFError:
        pass  # the starter was killed before it sent the command
    posix._exit(127)  # noqa: SLF001  nothing may be flushed here


def _read_command() -> bytes:
    return _exactly(int.from_bytes(_exactly(LENGTH), "big"))


def _exactly(count: int) -> bytes:
    read = b""
    while len(read) < count:
        chunk = posix.read(CONTROL, count - len(read))
        if not chunk:
            raise EOFError
        read += chunk
    return read


def _become(paths: tuple[bytes, ...], argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """Execute the first of these paths that exists, as a shell searches PATH; raises OSError."""
    for number in _RESTORED:
        _signal.signal(number, _signal.SIG_DFL)
    failure: OSError = FileNotFoundError(2, "")
    for path in paths:
        try:
            posix.execve(path, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if isinstance(failure, FileNotFoundError):
                failure = error
    raise failure


def _supervise(child: int, receiver: int, number: int, grace: float, output: int) -> None:
    """Wait for a stop byte or the end of the pipe; then end the child and kill its group."""
    for each in _GROUP_ENDS_BY:
        _signal.signal(each, _signal.SIG_IGN)
    _silence(1, 2)
    byte = posix.read(CONTROL, 1)
    _kill(receiver, number)
    until = time.monotonic() + grace
    while byte:
        byte = posix.read(CONTROL, 1)
    posix.set_blocking(output, False)
    while not _has_ended(child) and time.monotonic() < until:
        _drain(output)
        time.sleep(TICK)
    _kill(-child, _signal.SIGKILL)


def _silence(*descriptors: int) -> None:
    null = posix.open("/dev/null", posix.O_RDWR)
    for each in descriptors:
        posix.dup2(null, each)
    posix.close(null)


def _kill(process: int, number: int) -> None:
    try:  # noqa: SIM105  `contextlib` takes time to load
        posix.kill(process, number)
    except (ProcessLookupError, PermissionError):
        pass


def _has_ended(child: int) -> bool:
    """Return True if the child has exited.

    Its pid is not reused while its process group has a member, and the supervisor is one.
    """
    try:
        posix.kill(child, 0)
        with open(f"/proc/{child}/stat", "rb") as file:  # noqa: PTH123  so does `pathlib`
            return file.read().rpartition(b") ")[2][:1] == b"Z"  # a zombie
    except ProcessLookupError:
        return True
    except OSError:
        return False  # a system without /proc


def _drain(output: int) -> None:
    try:
        while posix.read(output, CHUNK):
            pass
    except BlockingIOError:
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(each) for each in sys.argv[3:]])
