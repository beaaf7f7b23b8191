"""Verify hooks: a person's own commands, judged by how they end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from pipeline.adapters.hooks import CommandHooks
from pipeline.adapters.interrupts import Interrupts
from pipeline.core.deployment import Hook
from pipeline.core.errors import FailedError
from pipeline.core.events import Noted

FACTS = {"AMI_PIPELINE_RELEASE": "r000007"}


@pytest.fixture
def hooks(tmp_path: Path) -> CommandHooks:
    interrupts = Interrupts()
    interrupts.install()
    return CommandHooks(
        environ={"PATH": os.environ["PATH"], "GIVEN": "ours"},
        folder=tmp_path,
        log=tmp_path / "logs/verify.log",
        report=lambda _: None,
        interrupts=interrupts,
    )


def shell(line: str, timeout: float = 30.0) -> Hook:
    return Hook(command=("sh", "-c", line), timeout=timeout)


def test_a_hook_sees_our_environment_and_the_facts_in_the_folder_of_the_configuration(
    hooks: CommandHooks,
) -> None:
    hooks.run(shell('echo "$GIVEN $AMI_PIPELINE_RELEASE" > seen'), FACTS)
    assert (hooks.folder / "seen").read_text() == "ours r000007\n"


def test_one_that_fails_is_told_by_its_last_lines(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError) as failed:
        hooks.run(shell("echo no health; exit 3"), FACTS)
    assert failed.value.what == "exit code 3\n| no health"
    assert failed.value.now == f"read {hooks.log}"
    assert hooks.log.read_text() == "$ sh -c 'echo no health; exit 3'\nno health\n"


def test_one_that_does_not_end_fails(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError, match=r"did not end within 0\.1 s"):
        hooks.run(shell("sleep 30", timeout=0.1), FACTS)


def test_one_that_is_not_there_fails(hooks: CommandHooks) -> None:
    with pytest.raises(FailedError, match="cannot be started: No such file or directory"):
        hooks.run(Hook(command=("./absent.sh",), timeout=1.0), FACTS)


@pytest.mark.parametrize("trap", ["", "trap 'exit 0' TERM; "], ids=["dies", "exits with 0"])
def test_a_signal_to_us_is_no_verdict_of_the_hook(hooks: CommandHooks, trap: str) -> None:
    def stop() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def report(event: object) -> None:
        assert isinstance(event, Noted)
        threading.Timer(0.3, stop).start()

    hooks.report = report
    with hooks.interrupts.held():  # as in a deployment
        with pytest.raises(KeyboardInterrupt):
            hooks.run(shell(f"{trap}sleep 30 & wait"), FACTS)
        hooks.interrupts.answer()
