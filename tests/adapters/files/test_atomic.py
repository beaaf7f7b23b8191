"""Temporary files that a killed writer leaves, and their deletion."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.adapters.files import atomic
from pipeline.adapters.files.atomic import OLD, sweep, write_atomically
from pipeline.adapters.store.directory import DirectoryStore

WRITER = """
import os, pathlib, sys
from pipeline.adapters.files import atomic

def stop(_):
    print("writing", flush=True)
    sys.stdin.read()

atomic.os.fsync = stop
atomic.write_atomically(pathlib.Path(sys.argv[1]), b"half")
"""


def left(folder: Path) -> list[str]:
    """Return the temporary files in the folder."""
    return sorted(each.name for each in folder.iterdir() if each.name.startswith(".r.json"))


def litter(folder: Path, name: str = ".r.json.abc_1234", age: float = 0.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"half")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize(("age", "stays"), [(OLD - 60, True), (OLD + 60, False)])
def test_temporary_files_older_than_an_hour_are_deleted_by_the_next_write(
    tmp_path: Path, age: float, stays: bool
) -> None:
    path = litter(tmp_path, age=age)
    write_atomically(tmp_path / "r.json", b"new")
    assert path.exists() is stays
    assert (tmp_path / "r.json").read_bytes() == b"new"


def test_a_wrong_clock_of_this_machine_does_not_age_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = litter(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 2e9 + OLD)
    write_atomically(tmp_path / "r.json", b"new")
    assert path.exists()


@pytest.mark.parametrize(
    "name",
    [".s.json.abc_1234", ".r.json.abc_12345", ".r.json.ABC_1234", "r.json.abc_1234", ".r.json"],
)
def test_other_files_are_not_deleted(tmp_path: Path, name: str) -> None:
    path = litter(tmp_path, name, age=10 * OLD)
    write_atomically(tmp_path / "r.json", b"new")
    assert path.exists()


def test_links_and_folders_with_such_names_stay(tmp_path: Path) -> None:
    target = litter(tmp_path, "target", age=10 * OLD)
    (tmp_path / ".r.json.abc_1234").symlink_to(target)
    (tmp_path / ".r.json.abc_1235").mkdir()
    sweep(tmp_path, lambda _: True)
    assert left(tmp_path) == [".r.json.abc_1234", ".r.json.abc_1235"]


def test_the_file_of_a_live_writer_stays_and_that_of_a_killed_one_is_deleted(
    tmp_path: Path,
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "r.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert writer.stdout
    assert writer.stdout.readline() == b"writing\n"
    [name] = left(tmp_path)
    litter_of = tmp_path / name
    os.utime(litter_of, (0, 0))
    sweep(tmp_path, lambda _: True)
    assert left(tmp_path) == [name]
    writer.kill()
    writer.communicate()
    assert left(tmp_path) == [name]
    sweep(tmp_path, lambda _: True)
    assert left(tmp_path) == []


def test_without_file_locks_no_file_counts_as_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = litter(tmp_path, age=10 * OLD)

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    write_atomically(tmp_path / "r.json", b"new")
    assert path.exists()


def test_a_file_that_cannot_be_deleted_does_not_stop_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter(tmp_path, age=10 * OLD)

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(atomic, "is_held", refuse)
    write_atomically(tmp_path / "r.json", b"new")
    assert (tmp_path / "r.json").read_bytes() == b"new"


def test_the_next_writer_of_a_document_deletes_its_abandoned_files(
    tmp_path: Path,
) -> None:
    """All files of a deployment share one lock, so its holder is their only writer."""
    store = DirectoryStore(tmp_path)
    ours = litter(tmp_path / "deployments/d1", ".0007.json.abc_1234")
    others = litter(tmp_path / "deployments/d2", ".0007.json.abc_1234")
    staging = litter(tmp_path / "environments", ".staging.json.abc_1234")
    production = litter(tmp_path / "environments", ".production.json.abc_1234")
    store.write("deployments/d1/0008.json", b"{}", expected=None)
    store.write("environments/staging.json", b"{}", expected=None)
    found = (ours, others, staging, production)
    assert [each.exists() for each in found] == [False, True, False, True]


def test_an_atomic_write_leaves_nothing_beside_the_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    write_atomically(path, b"old", mode=0o644)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir() if each.name != "home"] == ["out"]
    assert path.read_bytes() == b"old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
