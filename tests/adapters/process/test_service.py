from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.adapters.process.process import Service, serve
from tests.adapters.process.children import GRANDCHILD, group_of, is_gone, python

SERVING = "print('starting', flush=True); print('ready 7', flush=True)\n"


def started(code: str, output: bytearray | None = None, timeout: float = 30.0) -> Service:
    seen = bytearray() if output is None else output
    return serve(
        python(code), seen.extend, ready=lambda line: line.startswith(b"ready"), timeout=timeout
    )


def test_a_service_is_returned_once_it_is_ready_and_runs_until_it_is_closed() -> None:
    output = bytearray()
    more = "print('more', flush=True); open('said', 'w').close(); signal.pause()"
    service = started(GRANDCHILD + SERVING + more, output)
    assert service.line == b"ready 7"
    assert not service.has_ended()
    while not Path("said").exists():
        time.sleep(0.01)
    group = group_of(service.pid)
    assert len(group) == 3  # the service, its own child, and the supervisor
    service.close()
    assert all(map(is_gone, group))
    child, *rest = bytes(output).splitlines()
    assert (int(child) in group, rest) == (True, [b"starting", b"more"])
    service.close()


def test_a_service_that_ends_by_itself_has_ended() -> None:
    service = started(SERVING + "import sys; sys.exit(3)")
    assert service.has_ended(within=30)
    service.close()


@pytest.mark.parametrize(
    ("code", "expected", "timeout"),
    [
        ("import sys; sys.exit(3)", pytest.raises(OSError, match="exit code 3"), 30.0),
        (
            "open('pid', 'w').write(str(__import__('os').getpid())); import signal; signal.pause()",
            pytest.raises(TimeoutError, match=r"not ready within 0\.5s"),
            0.5,
        ),
    ],
)
def test_a_service_that_is_never_ready_is_not_left_running(
    code: str, expected: pytest.RaisesExc[OSError], timeout: float
) -> None:
    with expected:
        started(code, timeout=timeout)
    if Path("pid").exists():
        assert is_gone(int(Path("pid").read_text()))


# A run with a service, and a child that keeps it: the child takes time to end after a signal.
US = f"""
import sys
from pathlib import Path
from pipeline.adapters.process.process import INTERRUPT_ALONE, Command, serve, stream
from pipeline.adapters.process.signals import Interrupts
code = "import signal; print('ready', flush=True); signal.pause()"
env, here = {{"PYTHONPATH": {os.pathsep.join(sys.path)!r}}}, Path.cwd()
command = Command(argv=[sys.executable, "-S", "-c", code], cwd=here, env=env)
service = serve(command, lambda _: None, ready=lambda line: line == b"ready", timeout=30)
kept = (service.held,) if sys.argv[2] == "kept" else ()
child = Command(argv=[sys.executable, "-Sc", sys.argv[1], str(service.pid)], cwd=here, env=env,
                kept=kept)
interrupts = Interrupts()
stream(child, lambda _: None, interrupts=interrupts, timeout=60, grace=30, stop=INTERRUPT_ALONE)
"""
CHILD = """
import os, pathlib, signal, sys, time
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
pathlib.Path("pids").write_text(f"{sys.argv[1]} {os.getpid()}")
while not told:
    time.sleep(0.01)
time.sleep(0.5)
with open(f"/proc/{sys.argv[1]}/stat") as file:
    pathlib.Path("saw").write_text(file.read().rpartition(")")[2].split()[0])
"""


@pytest.mark.parametrize("how", ["kept", "alone"])
def test_a_service_outlives_its_killed_starter_only_until_the_children_that_keep_it_end(
    how: str,
) -> None:
    us = subprocess.Popen([sys.executable, "-c", US, CHILD, how])
    while not Path("pids").exists() or not (text := Path("pids").read_text()):
        assert us.poll() is None, "the starter has exited"
        time.sleep(0.01)
    service, child = map(int, text.split())
    us.send_signal(signal.SIGKILL)
    us.wait()
    assert is_gone(child)
    assert is_gone(service)
    saw = Path("saw").read_text() if Path("saw").exists() else "gone"
    assert (saw == "S") == (how == "kept")
