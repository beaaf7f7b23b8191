"""Verify hooks: what they see, what of their words is kept, and what a signal to us means."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from pipeline.adapters.ci.verify_hooks import CommandHooks
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.errors import FailedError
from pipeline.core.events import Event
from pipeline.core.masking import Masker
from pipeline.core.state.deployment import Hook


@pytest.fixture
def hooks(tmp_path: Path) -> CommandHooks:
    interrupts = Interrupts()
    interrupts.install()
    return CommandHooks(
        environ={"PATH": os.environ["PATH"], "OURS": "kept"},
        folder=tmp_path,
        log=tmp_path / "logs/verify.log",
        report=lambda _: None,
        interrupts=interrupts,
        masker=Masker(["hunter2-swordfish"]),
    )


def python(code: str, timeout: float = 20.0) -> Hook:
    return Hook(command=(sys.executable, "-c", code), timeout=timeout)


def test_a_hook_gets_the_environment_and_the_facts(hooks: CommandHooks) -> None:
    code = "import os; assert os.environ['OURS'] + os.environ['RELEASE'] == 'keptr000001'"
    hooks.run(python(code), {"RELEASE": "r000001"})


def test_a_failed_hook_is_reported_with_its_last_lines(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError) as told:
        hooks.run(python("import sys; print('not yet'); sys.exit(7)"), {})
    assert told.value.what == "exit code 7\n| not yet"
    assert told.value.remedy == f"read {hooks.log}"


def test_a_secret_that_a_hook_prints_is_masked(
    hooks: CommandHooks,
) -> None:
    code = (
        "import sys, time\nfor part in ('x hunter2', '-swordfish y'):\n"
        "    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.2)\nsys.exit(1)"
    )
    with pytest.raises(FailedError) as told:
        hooks.run(python(code), {})
    assert told.value.what == "exit code 1\n| x *** y"
    assert hooks.log.read_text().splitlines()[-1] == "x *** y"


def test_a_signal_ends_a_hook_without_a_failure(hooks: CommandHooks) -> None:
    said: list[Event] = []

    def report(event: Event) -> None:
        if not said:  # A second one would end this process after the test.
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        said.append(event)

    hooks.report = report
    with hooks.interrupts.held():
        with pytest.raises(KeyboardInterrupt):
            hooks.run(python("import time; time.sleep(20)"), {})
        assert hooks.interrupts.answer() == 1


def test_a_hook_that_does_not_end_fails(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError, match=r"did not end within 0\.1s"):
        hooks.run(python("import time; time.sleep(30)", timeout=0.1), {})


def test_a_hook_that_cannot_be_started_is_a_failure(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError, match="cannot be started: No such file or directory"):
        hooks.run(Hook(command=("./absent",), timeout=1.0), {})
