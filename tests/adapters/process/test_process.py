from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.adapters.process import supervisor
from pipeline.adapters.process.process import (
    INTERRUPT_ALONE,
    TERMINATE_ALL,
    Command,
    Finished,
    StopSignal,
    capture,
    stream,
)
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.process.survivors import await_end
from pipeline.core.bake.model import Ending
from tests.adapters.process.children import GRANDCHILD, group_of, is_gone, python


def run(
    code: str,
    on_output: Callable[[bytes], object] = lambda _: None,
    *,
    timeout: float = 30.0,
    grace: float = 30.0,
    interrupts: Interrupts | None = None,
    stop: StopSignal = TERMINATE_ALL,
) -> Finished:
    def passed_on(chunk: bytes) -> None:
        on_output(chunk)

    return stream(
        python(code),
        passed_on,
        interrupts=interrupts or Interrupts(),
        timeout=timeout,
        grace=grace,
        stop=stop,
    )


def test_a_short_command_returns_its_exit_code_and_output() -> None:
    code = "import sys; print('out', flush=True); sys.stderr.write('err'); sys.exit(3)"
    assert capture(python(code), timeout=30) == (3, b"out\nerr")


def test_a_child_gets_the_given_environment_and_empty_input() -> None:
    code = "import os, sys; print(sorted(os.environ), sys.stdin.read() == '')"
    _, output = capture(python(code), timeout=30)
    assert b"'GIVEN'" in output
    assert b"HOME" not in output
    assert output.endswith(b"True\n")


def test_a_child_has_a_session_of_its_own() -> None:
    _, output = capture(python("import os; print(os.getsid(0) == os.getpid())"), timeout=30)
    assert output == b"True\n"


def test_a_short_command_that_does_not_end_is_killed_with_its_children() -> None:
    code = GRANDCHILD + "open('pid', 'w').write(str(child.pid)); signal.pause()"
    with pytest.raises(TimeoutError, match=r"did not end within 1\.5s"):
        capture(python(code), timeout=1.5)
    assert is_gone(int(Path("pid").read_text()))


def test_a_missing_program_raises_pythons_error() -> None:
    command = Command(argv=["no-such-program"], cwd=Path.cwd(), env={})
    with pytest.raises(FileNotFoundError):
        capture(command, timeout=1)


@pytest.mark.parametrize("code", [0, 1, 77])
def test_a_streamed_child_ends_with_its_code(code: int) -> None:
    assert run(f"import sys; sys.exit({code})") == Finished(ending=Ending.EXITED, code=code)


def test_a_child_that_dies_of_a_signal_has_a_negative_code() -> None:
    finished = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert finished == Finished(ending=Ending.EXITED, code=-9)


def test_output_comes_as_it_is_printed() -> None:
    Path("go").unlink(missing_ok=True)
    os.mkfifo("go")
    seen: list[bytes] = []

    def on_output(chunk: bytes) -> None:
        seen.append(chunk)
        if len(seen) == 1:
            Path("go").write_text("x")

    run("print('first', flush=True); open('go').read(); print('second')", on_output)
    assert seen == [b"first\n", b"second\n"]


def test_megabytes_arrive_complete_at_a_slow_reader() -> None:
    count = 0

    def on_output(chunk: bytes) -> None:
        nonlocal count
        count += len(chunk)
        time.sleep(0.002)

    run("import sys; sys.stdout.write('x' * 3_000_000)", on_output)
    assert count == 3_000_000


TRAP = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"told\\n"), sys.exit(5)))
os.write(1, b"ready\\n")
signal.pause()
"""


def test_after_the_timeout_the_child_may_end_by_itself() -> None:
    seen = bytearray()
    assert run(TRAP, seen.extend, timeout=1.5) == Finished(ending=Ending.TIMEOUT, code=5)
    assert bytes(seen) == b"ready\ntold\n"


def test_a_child_that_does_not_end_in_its_grace_is_killed() -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    )
    assert run(code, timeout=0.3, grace=0.2) == Finished(ending=Ending.TIMEOUT, code=-9)


def test_grandchildren_get_the_signal_too() -> None:
    seen = bytearray()
    finished = run(GRANDCHILD + "signal.pause()", seen.extend, timeout=1.5)
    assert finished == Finished(ending=Ending.TIMEOUT, code=-15)
    assert is_gone(int(seen))


def test_a_grandchild_with_the_pipe_does_not_block() -> None:
    seen = bytearray()
    assert run(GRANDCHILD, seen.extend) == Finished(ending=Ending.EXITED, code=0)
    assert is_gone(int(seen))


def on_ready(interrupts: Interrupts, *numbers: signal.Signals) -> Callable[[bytes], None]:
    """Signal ourselves once the child has said that it is ready."""
    interrupts.install()

    def on_output(chunk: bytes) -> None:
        if b"ready" in chunk:
            for number in numbers:
                os.kill(os.getpid(), number)

    return on_output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_child_and_is_raised_afterwards(number: signal.Signals) -> None:
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        run(TRAP, on_ready(interrupts, number), interrupts=interrupts)
    assert (interrupts.pending, interrupts.count) == (number, 1)


def test_inside_a_deferring_block_the_childs_ending_shows_the_signal() -> None:
    interrupts = Interrupts()
    finished = None
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        finished = run(TRAP, on_ready(interrupts, signal.SIGINT), interrupts=interrupts)
    assert finished == Finished(ending=Ending.INTERRUPTED, code=5)


def test_a_second_signal_shortens_the_grace() -> None:
    interrupts = Interrupts()
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += "print('ready', flush=True)\nwhile True: signal.pause()"
    finished = None
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012 - the block is the subject
        on_output = on_ready(interrupts, signal.SIGINT, signal.SIGTERM)
        finished = run(code, on_output, interrupts=interrupts)
    assert finished == Finished(ending=Ending.INTERRUPTED, code=-9)


def test_an_error_of_the_consumer_ends_the_child_and_is_raised() -> None:
    seen: list[bytes] = []

    def full(chunk: bytes) -> None:
        seen.append(chunk)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(TRAP, full)
    assert seen == [b"ready\n"]


# A program that counts its SIGINTs for a while; a child in its group tells of any signal it gets.
PROVIDER = """
import os, signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os.write(1, b"provider told, "))
os.write(1, b"ready, ")
while True:
    signal.pause()
"""
WITH_PROVIDER = f"""
import signal, subprocess, sys, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
child = subprocess.Popen([sys.executable, "-S", "-c", {PROVIDER!r}])
while not got:
    time.sleep(0.01)
until = time.monotonic() + 0.4
while time.monotonic() < until:
    time.sleep(0.01)
print("told", len(got), flush=True)
"""


@pytest.mark.parametrize("how", [Ending.TIMEOUT, Ending.INTERRUPTED])
def test_a_signal_for_the_child_alone_is_sent_once_and_not_to_its_group(how: Ending) -> None:
    interrupts, seen = Interrupts(), bytearray()
    signalled = on_ready(interrupts, signal.SIGTERM)

    def on_output(chunk: bytes) -> None:
        seen.extend(chunk)
        if how is Ending.INTERRUPTED:
            signalled(chunk)

    timeout = 1.5 if how is Ending.TIMEOUT else 30.0
    finished = None
    with contextlib.suppress(KeyboardInterrupt), interrupts.held():
        finished = run(
            WITH_PROVIDER, on_output, interrupts=interrupts, timeout=timeout, stop=INTERRUPT_ALONE
        )
    assert finished == Finished(ending=how, code=0)
    assert bytes(seen) == b"ready, told 1\n"


@pytest.mark.parametrize("second", [True, False])
def test_a_child_that_ignores_its_own_signal_is_killed_with_its_group(second: bool) -> None:
    interrupts, seen = Interrupts(), bytearray()
    signals = (signal.SIGINT, signal.SIGINT) if second else (signal.SIGINT,)
    signalled = on_ready(interrupts, *signals)

    def on_output(chunk: bytes) -> None:
        seen.extend(chunk)
        signalled(chunk)

    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + GRANDCHILD
    code += "print('ready', flush=True)\nwhile True: signal.pause()"
    grace, finished = 30.0 if second else 0.2, None
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        finished = run(code, on_output, interrupts=interrupts, grace=grace, stop=INTERRUPT_ALONE)
    assert finished == Finished(ending=Ending.INTERRUPTED, code=-9)
    assert is_gone(int(seen.split()[0]))


def test_a_child_gets_a_signal_that_the_main_thread_has_answered() -> None:
    interrupts = Interrupts()
    signalled = on_ready(interrupts, signal.SIGINT)

    def on_output(chunk: bytes) -> None:
        signalled(chunk)
        interrupts.answer()

    with interrupts.held():
        finished = run(TRAP, on_output, interrupts=interrupts)
    assert finished == Finished(ending=Ending.INTERRUPTED, code=5)


def test_a_child_does_not_get_a_signal_answered_before_its_start() -> None:
    interrupts = Interrupts()
    interrupts.install()
    with interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        interrupts.answer()
        finished = run("", interrupts=interrupts)
    assert finished == Finished(ending=Ending.EXITED, code=0)


@pytest.mark.parametrize(
    ("text", "mode", "failure", "said"),
    [
        (None, 0, FileNotFoundError, "No such file"),
        ("#!/bin/sh\n", 0o644, PermissionError, "Permission denied"),
        ("\0", 0o755, OSError, "Exec format error"),
        ("#!/no/such/interpreter\n", 0o755, FileNotFoundError, "No such file"),
    ],
)
def test_the_error_of_a_failed_start_is_raised(
    tmp_path: Path, text: str | None, mode: int, failure: type[OSError], said: str
) -> None:
    program = tmp_path / "program"
    if text is not None:
        program.write_text(text)
        program.chmod(mode)
    for name, path in (("./program", ""), ("program", f"/none:{tmp_path}")):
        command = Command(argv=[name], cwd=tmp_path, env={"PATH": path})
        with pytest.raises(failure, match=said) as raised:
            capture(command, timeout=10)
        assert type(raised.value) is failure
        assert raised.value.filename == name


def test_a_missing_folder_raises_pythons_error(tmp_path: Path) -> None:
    command = Command(argv=["true"], cwd=tmp_path / "none", env=dict(os.environ))
    with pytest.raises(FileNotFoundError):
        capture(command, timeout=10)


@pytest.mark.parametrize(
    ("argv", "printed"),
    [
        (["cat", "/proc/self/environ"], b"odd.name-=\xff=\n\0PATH=/usr/bin:/bin\0"),
        (["ls", "/proc/self/fd"], b"0\n1\n2\n3\n"),  # the last is that of `ls`
        (["readlink", "/proc/self/fd/0"], b"/dev/null\n"),
    ],
)
def test_the_child_keeps_nothing_of_the_interpreter(argv: list[str], printed: bytes) -> None:
    env = {"odd.name-": "\udcff=\n", "PATH": "/usr/bin:/bin"}
    command = Command(argv=argv, cwd=Path.cwd(), env=env)
    assert capture(command, timeout=10) == (0, printed)


def test_a_child_does_not_inherit_ignored_signals() -> None:
    """A signal that the starter ignored stays ignored, as in any child of a shell; not SIGINT.

    By SIGINT we ask Terraform to end, also where a shell that left us in the background ignored it.
    """
    ignored = ["grep", "SigIgn", "/proc/self/status"]
    before = subprocess.run(ignored, capture_output=True, check=True).stdout
    command = Command(argv=ignored, cwd=Path.cwd(), env=dict(os.environ))
    code, found = capture(command, timeout=10)
    assert (code, mask(found)) == (0, mask(before) & ~(1 << signal.SIGINT - 1))


def mask(said: bytes) -> int:
    return int(said.split()[1], 16)


# --- the supervisor -------------------------------------------------------------------------------

US = """
import sys
from pathlib import Path
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.process.process import (
    INTERRUPT_ALONE,
    TERMINATE_ALL,
    Command,
    capture,
    stream,
)
from pipeline.adapters.process.survivors import shared_lock
argv, how, grace = sys.argv[1:4], sys.argv[4], float(sys.argv[5])
Path("log").touch()
lock = shared_lock(Path("log"))
command = Command(argv=argv, cwd=Path.cwd(), env={}, kept=(lock.__enter__(),))
interrupts = Interrupts()
interrupts.install()
if how == "capture":
    capture(command, timeout=60)
else:
    stop = INTERRUPT_ALONE if how == "alone" else TERMINATE_ALL
    stream(command, lambda _: None, interrupts=interrupts, timeout=60, grace=grace, stop=stop)
"""
# It records its signals, prints more than a pipe holds, and then takes time to save its state.
CHILD = f"""
import os, pathlib, signal, subprocess, sys, time
told = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: told.append(signal.Signals(number).name))
other = subprocess.Popen([sys.executable, "-S", "-c", {PROVIDER!r}], stdout=open("other", "wb"))
while "ready" not in open("other").read():
    time.sleep(0.01)
pathlib.Path("ready").write_text(str(os.getpid()))
while not told:
    time.sleep(0.01)
os.write(1, b"x" * 1_000_000)
until = time.monotonic() + 0.3
while time.monotonic() < until:
    time.sleep(0.01)
pathlib.Path("saved").write_text(" ".join(told))
"""
DEAF = """
import os, pathlib, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("ready").write_text(str(os.getpid()))
while True: signal.pause()
"""


def ours(code: str, how: str, grace: float = 30.0) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start a process that runs a child; return it, and the child's whole group."""
    argv = [sys.executable, "-Sc", code]
    us = subprocess.Popen([sys.executable, "-c", US, *argv, how, str(grace)])
    while not Path("ready").exists() or not (text := Path("ready").read_text()):
        assert us.poll() is None, "the starter has exited"
        time.sleep(0.01)
    return us, group_of(int(text))


@pytest.mark.parametrize(
    ("how", "told", "other"),
    [
        ("alone", "SIGINT", "ready, "),
        ("all", "SIGTERM", "ready, provider told, "),
        ("capture", "SIGTERM", "ready, provider told, "),
    ],
)
def test_a_child_is_stopped_and_saves_its_state_after_its_starter_was_killed(
    how: str, told: str, other: str
) -> None:
    us, group = ours(CHILD, how)
    assert len(group) == 3
    us.kill()
    us.wait()
    await_end(Path("log"), 30.0, wait=time.sleep, report=lambda _: None)
    assert Path("saved").read_text() == told
    assert all(map(is_gone, group))
    assert Path("other").read_text() == other


def test_a_child_that_was_stopped_before_gets_no_second_signal() -> None:
    us, group = ours(CHILD, "alone")
    us.send_signal(signal.SIGTERM)
    time.sleep(0.15)
    us.kill()
    us.wait()
    assert all(map(is_gone, group))
    assert Path("saved").read_text() == "SIGINT"


def test_a_child_is_killed_with_its_group_after_its_grace() -> None:
    us, group = ours(DEAF, "all", grace=0.2)
    assert len(group) == 2
    us.kill()
    us.wait()
    assert all(map(is_gone, group))


def test_a_supervisor_does_not_outlive_its_child() -> None:
    seen = bytearray()
    run("import os, time; print(os.getpid(), flush=True); time.sleep(0.1)", seen.extend)
    assert all(map(is_gone, group_of(int(seen))))


def test_a_child_whose_supervisor_was_killed_is_stopped_anyway() -> None:
    interrupts, seen = Interrupts(), bytearray()
    signalled = on_ready(interrupts, signal.SIGINT)

    def on_output(chunk: bytes) -> None:
        seen.extend(chunk)
        if b"ready" in chunk:
            child = int(chunk.split()[0])
            for each in set(group_of(child)) - {child}:
                os.kill(each, signal.SIGKILL)
                assert is_gone(each)
        signalled(chunk)

    code = TRAP.replace('b"ready\\n"', 'b"%d ready" % os.getpid()')
    finished = None
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        finished = run(code, on_output, interrupts=interrupts)
    assert finished == Finished(ending=Ending.INTERRUPTED, code=5)


def test_nothing_starts_if_the_starter_is_killed_before_it_sent_the_command() -> None:
    reading, report = os.pipe()
    words = [sys.executable, "-IS", supervisor.__file__, str(reading), str(report)]
    done = subprocess.run(
        words, input=b"\0\0\0\7half", pass_fds=(reading, report), capture_output=True, check=False
    )
    os.close(report)
    assert (done.returncode, done.stdout, done.stderr) == (127, b"", b"")
    assert os.read(reading, 1) == b""
    os.close(reading)
