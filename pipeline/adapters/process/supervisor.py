"""Becomes the program we start, and leaves a guardian beside it for the case that we are killed.

A program of its own, run as `python -IS guardian.py`: nothing of ours is imported, and of the
standard library only what is built in, for every child waits for it (a dozen milliseconds).
`process` starts it and tells it over a pipe what to become. It forks the guardian first, so there
is no instant at which the child runs and nobody watches.

The guardian reads the same pipe. A byte there asks the child to end; the end of the pipe says that
we are dead, for only we could write to it. Then it asks too, unless that was done: a second SIGINT
would make Terraform give up. It is the only one who asks, so that this cannot happen. Until the
child has ended it reads what the child prints, which dies of SIGPIPE else before it has saved its
state. At last it kills the child's group, itself with it. While we live, we do that.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` loads `enum`: as long as all the rest
import marshal
import posix
import sys
import time

CONTROL = 0
"""The pipe from us: a length and what to become, a byte to ask, and its end once we are dead."""
LENGTH = 4
CHUNK = 1 << 16
TICK = 0.02
# An interpreter ignores the first two, and what is ignored stays so in what it becomes.
_RESTORED = (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT)
_GROUP_ENDS_BY = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM)


def main(output: int, report: int, kept: list[int]) -> None:
    """Become the child; `output` is where it is read from, `report` takes why it cannot start.

    `kept` stays open until the guardian ends, for who wants to know that.
    """
    try:
        paths, argv, env, number, alone, grace = marshal.loads(_told())  # noqa: S302  from us
        child = posix.getpid()
        # Twice, so that the child has no child that it did not start.
        if between := posix.fork():
            posix.waitpid(between, 0)
            for each in (output, report, *kept):
                posix.set_inheritable(each, False)
            _become(paths, argv, env)
        elif posix.fork() == 0:
            posix.close(report)
            _guard(child, child if alone else -child, number, grace, output)
    except OSError as error:
        posix.write(report, str(error.errno).encode())
    except EOFError:
        pass  # killed while it told us: nothing has begun
    posix._exit(127)  # noqa: SLF001  what it printed is not ours to flush


def _told() -> bytes:
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
    """Be the first of these programs that is there, as a shell looks along PATH; else raise."""
    _silence(CONTROL)
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


def _guard(child: int, asked: int, number: int, grace: float, output: int) -> None:
    """Wait for a word or for our death; then see the child to its end, and kill what is left."""
    for each in _GROUP_ENDS_BY:
        _signal.signal(each, _signal.SIG_IGN)
    _silence(1, 2)
    word = posix.read(CONTROL, 1)
    _kill(asked, number)
    until = time.monotonic() + grace
    while word:
        word = posix.read(CONTROL, 1)
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
    """Its number is not used again while its group has a member, and we are one."""
    try:
        posix.kill(child, 0)
        with open(f"/proc/{child}/stat", "rb") as file:  # noqa: PTH123  so does `pathlib`
            return file.read().rpartition(b") ")[2][:1] == b"Z"  # nobody has collected it
    except ProcessLookupError:
        return True
    except OSError:
        return False  # no /proc here


def _drain(output: int) -> None:
    try:
        while posix.read(output, CHUNK):
            pass
    except BlockingIOError:
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(each) for each in sys.argv[3:]])
