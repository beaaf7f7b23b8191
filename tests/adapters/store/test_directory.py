"""What the store in a directory adds to the contract: modes, locks, syncs, file errors."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.core.errors import RefusedError
from tests.concurrent_writes import race


def test_one_of_several_concurrent_writers_wins(tmp_path: Path) -> None:
    """The bucket's race is run where the bucket is a server: tests/local_cloud/test_store.py."""
    assert race(DirectoryStore(tmp_path / "state"), 4) == [b"0", b"1", b"2", b"3"]


def test_the_directory_and_its_documents_are_private(tmp_path: Path) -> None:
    os.umask(0o022)
    DirectoryStore(tmp_path / "state").write("images/a.json", b"{}", expected=None)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "state").rglob("*")
    }
    assert modes == {
        "state/.gitignore": 0o600,
        "state/.locks": 0o700,
        "state/.locks/images.a": 0o600,
        "state/images": 0o700,
        "state/images/a.json": 0o600,
    }
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_stays_locked_is_an_error_after_ten_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path / "state")
    key = "environments/a.json"
    store.write(key, b"one", expected=None)
    waits = itertools.count(0.0, 2.5)
    monkeypatch.setattr("pipeline.adapters.files.lock.time.monotonic", lambda: next(waits))
    slept = list[float]()
    monkeypatch.setattr("pipeline.adapters.files.lock.time.sleep", slept.append)
    path = tmp_path / "state/.locks/environments.a"
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for action in (
            lambda: store.write(key, b"", expected=None),
            lambda: store.delete(key),
        ):
            with pytest.raises(RefusedError) as told:
                action()
            assert told.value.where == f"[state] {path}"
            assert "for more than 10s" in told.value.what
            assert told.value.remedy.startswith(f"find the program: fuser -v {path}; ")
        for other in ("environments/b.json", "deployments/a/000001.json", "images/a.json"):
            store.write(other, b"", expected=None)
    assert slept == [0.005] * 6
    store.delete(key)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pipeline.adapters.files.lock.fcntl.flock", flock)
    with pytest.raises(RefusedError) as told:
        DirectoryStore(tmp_path / "state").write("a", b"", expected=None)
    assert "the file system cannot lock" in told.value.what
    assert "ami-pipeline doctor" in told.value.remedy


@pytest.mark.parametrize("name", ["images/a.json", ".locks/images.a"])
def test_a_symbolic_link_is_rejected_and_its_target_unchanged(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    link = tmp_path / "state" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    store = DirectoryStore(tmp_path / "state")
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert told.value.where.startswith("[state] ")
    assert target.read_bytes() == b"precious"


def test_a_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = DirectoryStore(tmp_path / "state")
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert "[state] url" in told.value.remedy
    with pytest.raises(RefusedError):
        store.read("images/a.json")


def test_an_unwritable_directory_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    store = DirectoryStore(tmp_path / "state")
    # Not by the file's mode: the tests may run as root, whom no mode stops.
    monkeypatch.setattr("pipeline.adapters.files.atomic.tempfile.mkstemp", refuse)
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert told.value.what == "Permission denied"


def test_a_write_is_synced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is synced before it is named, and every folder after a name came into it."""
    real, steps = os.fsync, list[str]()

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append(str(path.relative_to(tmp_path)) if path.is_dir() else "a file")
        real(handle)

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", fsync)
    store = DirectoryStore(tmp_path / "deep" / "state")
    store.write("images/a.json", b"one", expected=None)
    state = "deep/state"
    assert steps == [".", "deep", "a file", state, state, "a file", f"{state}/images"]


@pytest.mark.parametrize(("number", "refused"), [(22, False), (5, True)])
def test_a_file_system_without_folder_sync_is_accepted_and_a_failed_sync_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", fsync)
    store = DirectoryStore(tmp_path / "state")
    if refused:
        with pytest.raises(RefusedError, match="Input/output error"):
            store.write("images/a.json", b"one", expected=None)
    else:
        store.write("images/a.json", b"one", expected=None)


def test_keys_leave_out_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / ".a.json.x81").touch()
    assert DirectoryStore(tmp_path).keys("images/") == ()


def test_the_time_of_a_directory_is_this_machines(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    assert before <= DirectoryStore(tmp_path).now() <= datetime.now(UTC)
