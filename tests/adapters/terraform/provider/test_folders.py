from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.adapters.terraform.provider.folders import PREFIX, socket_folder


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def left(temporary: Path, name: str, *, minutes: float = 2.0) -> tuple[Path, socket.socket]:
    """Make the folder of a provider that started some minutes ago, with its socket."""
    folder = temporary / f"{PREFIX}{name}"
    folder.mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "plugin1"))
    listening.listen()
    then = time.time() - 60 * minutes
    os.utime(folder, (then, then))
    return folder, listening


def test_a_folder_is_private_and_is_removed(temporary: Path) -> None:
    with socket_folder() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "plugin1").touch()
    assert not folder.exists()


def test_only_folders_of_ended_providers_are_removed(temporary: Path) -> None:
    ended, socket_of_ended = left(temporary, "ended")
    young, socket_of_young = left(temporary, "young", minutes=0.0)
    running, socket_of_running = left(temporary, "running")
    other = temporary / "another-program"
    other.mkdir()
    os.utime(other, (0, 0))
    socket_of_ended.close()
    socket_of_young.close()
    with closing(socket_of_running), socket_folder():
        assert [each.exists() for each in (ended, young, running, other)] == [
            False,
            True,
            True,
            True,
        ]
