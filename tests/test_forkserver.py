"""A test that dies leaves no cloud behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_cloud.state_dir import StateDir
from tests.forkserver import REPOSITORY
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from pathlib import Path

DIES = """
import os, pathlib, sys
from tests import running_cloud
running_cloud.start_cloud(pathlib.Path(sys.argv[1]))
os._exit(0)
"""


@pytest.mark.long
def test_a_cloud_ends_with_the_process_that_wanted_it(tmp_path: Path) -> None:
    home = StateDir(path=tmp_path / "cloud")
    argv = [sys.executable, "-c", DIES, str(home.path)]
    subprocess.run(argv, cwd=REPOSITORY, check=True, env={**os.environ, "PYTHONPATH": "."})
    eventually(lambda: not home.path.exists())
