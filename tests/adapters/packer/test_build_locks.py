from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.adapters.packer.build_locks import claim, log_of, runs_here
from pipeline.core.errors import RefusedError

HOLD = """
import pathlib, sys
from pipeline.adapters.packer.build_locks import claim
with claim(pathlib.Path(sys.argv[1]), "web-1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_bake_runs_from_its_claim_to_the_end_of_the_block(tmp_path: Path) -> None:
    assert runs_here(tmp_path, "web-1") is None
    with claim(tmp_path, "web-1"):
        assert runs_here(tmp_path, "web-1") is True
        assert runs_here(tmp_path, "web-2") is None
    assert runs_here(tmp_path, "web-1") is False


def test_a_bake_that_was_killed_runs_no_more(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    assert runs_here(tmp_path, "web-1") is True
    other.kill()
    other.communicate()
    assert runs_here(tmp_path, "web-1") is False


def test_the_log_is_readable_by_us_only_and_made_once(tmp_path: Path) -> None:
    with claim(tmp_path / "logs", "web-1"):
        assert log_of(tmp_path / "logs", "web-1").stat().st_mode & 0o777 == 0o600
    with pytest.raises(RefusedError, match="File exists"), claim(tmp_path / "logs", "web-1"):
        pass


def test_a_log_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    log_of(tmp_path, "web-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError), claim(tmp_path, "web-1"):
        pass
    assert not (tmp_path / "elsewhere").exists()
