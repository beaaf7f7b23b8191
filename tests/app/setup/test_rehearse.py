from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.app.setup.rehearse import Shell, require_programs, stop
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.starter.rehearsal import Step


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def shell(tmp_path: Path, said: list[str]) -> Shell:
    environ = {"PATH": os.environ["PATH"]}
    return Shell(folder=tmp_path, environ=environ, interrupts=Interrupts(), say=said.append)


def test_a_line_is_printed_and_run_and_its_matching_output_is_shown(
    shell: Shell, said: list[str]
) -> None:
    assert shell.run(Step(line="echo one; echo two >&2", shown="t")) == "one\ntwo"
    assert said == ["$ echo one; echo two >&2", "  two"]
    assert [step.name for step in shell.done] == ["echo one; echo two >&2"]


def test_what_a_line_exports_is_known_to_the_next_one_and_not_shown(
    shell: Shell, said: list[str]
) -> None:
    shell.run(Step(line="export GREETING='hello\nworld'", sets=True))
    assert shell.run(Step(line='echo "$GREETING"')) == "hello\nworld"
    assert said == ["$ export GREETING='hello\nworld'", '$ echo "$GREETING"', "  hello", "  world"]


def test_a_failed_line_is_an_error_with_its_last_lines(shell: Shell) -> None:
    with pytest.raises(FailedError) as raised:
        shell.run(Step(line="echo wrong; exit 3"))
    assert str(raised.value) == (
        "echo wrong; exit 3:\n  wrong\n  (exit code 3)\n"
        "next: fix the cause above, then: ami-pipeline init --rehearse"
    )


def test_a_signal_stops_the_line(shell: Shell) -> None:
    shell.interrupts.install()
    try:
        with pytest.raises(KeyboardInterrupt):
            shell.run(Step(line=f"kill -INT {os.getpid()}; sleep 60"))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_no_signal_keeps_the_local_cloud_from_being_stopped(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "ami-pipeline"
    twice = f"kill -INT {os.getpid()}; sleep 0.1; kill -TERM {os.getpid()}; sleep 0.3"
    program.write_text(f"#!/bin/sh\n{twice}\ntouch stopped\n")
    program.chmod(0o755)
    shell.environ["PATH"] = f"{tmp_path}:{shell.environ['PATH']}"
    shell.interrupts.install()
    try:
        stop(shell)
        assert (tmp_path / "stopped").exists()
        assert (shell.interrupts.arrived, shell.interrupts.count) == (2, 0)
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_missing_program_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RefusedError) as raised:
        require_programs("packer", "tofu", "/bin/sh")
    assert str(raised.value) == (
        "the rehearsal:\n  not on PATH: packer, tofu\n"
        "next: install it, as this page says: ami-pipeline docs getting-started"
    )
