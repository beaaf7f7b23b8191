from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.adapters.packer.build_locks import build_lock, is_running_here, log_of
from pipeline.core.errors import RefusedError

HOLD = """
import pathlib, sys
from pipeline.adapters.packer.build_locks import build_lock
with build_lock(pathlib.Path(sys.argv[1]), "web-1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_bake_holds_its_build_lock_until_the_end_of_the_block(tmp_path: Path) -> None:
    assert is_running_here(tmp_path, "web-1") is None
    with build_lock(tmp_path, "web-1"):
        assert is_running_here(tmp_path, "web-1") is True
        assert is_running_here(tmp_path, "web-2") is None
    assert is_running_here(tmp_path, "web-1") is False


def test_a_killed_bake_is_not_running(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    assert is_running_here(tmp_path, "web-1") is True
    other.kill()
    other.communicate()
    assert is_running_here(tmp_path, "web-1") is False


def test_the_log_is_private_and_created_once(tmp_path: Path) -> None:
    with build_lock(tmp_path / "logs", "web-1"):
        assert log_of(tmp_path / "logs", "web-1").stat().st_mode & 0o777 == 0o600
    with pytest.raises(RefusedError, match="File exists"), build_lock(tmp_path / "logs", "web-1"):
        pass


def test_a_log_that_is_a_link_is_rejected(tmp_path: Path) -> None:
    log_of(tmp_path, "web-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError), build_lock(tmp_path, "web-1"):
        pass
    assert not (tmp_path / "elsewhere").exists()
