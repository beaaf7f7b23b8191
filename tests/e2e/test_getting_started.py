"""Run the guide's first tutorial from its own text: an empty folder and `init --rehearse`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packer_plugins import PLUGINS

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).resolve().parents[2]
SECTION = "## Rehearse in an empty folder"


def tutorial() -> tuple[str, list[str]]:
    """Return the shell block of the tutorial, and the commands that it says are printed."""
    text = (REPOSITORY / "docs/guide/getting-started.md").read_text().partition(SECTION)[2]
    typed = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    printed = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert typed
    assert printed
    return typed[1], printed[1].splitlines()


def comparable(lines: list[str]) -> list[str]:
    """Return lines without what differs between machines: ports, addresses, Packer's plugins."""
    plain = (re.sub(r"127\.\d+\.\d+\.\d+(:\d+)?|--port \d+", "...", line) for line in lines)
    return [line for line in plain if not line.startswith("$ packer init ")]


def test_the_tutorial_ends_with_the_answer_of_the_service(tmp_path: Path) -> None:
    typed, printed = tutorial()
    shell = "".join(f"{line}\n" for line in typed.splitlines() if not line.startswith("pip "))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/sh", "-e"],
        input=shell,
        cwd=tmp_path,
        env={**kept, **PLUGINS, "PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Baked, promoted and answered in ")
    assert '{"app": "hello", "version": "0.1.0",' in done.stdout
    commands = [line for line in done.stderr.splitlines() if line.startswith("$ ")]
    assert comparable(commands) == comparable(printed)
    rehearsed = tmp_path / "hello/.ami-pipeline/rehearsal"
    assert (rehearsed / "stack/terraform.tfstate").exists()
    assert not (rehearsed / "cloud").exists()
