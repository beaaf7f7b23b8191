"""The store in a directory: compare-and-swap by an atomic rename under a file lock."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from pipeline.adapters.files.atomic import sweep, sync_folder, write_atomically
from pipeline.adapters.files.lock import lock_path, locked, unusable
from pipeline.adapters.store.base import Document, StaleError
from pipeline.adapters.store.versions import FOLDER, Version, read_versions, save_version


class DirectoryStore:
    """Documents as files in a directory that only its owner can read.

    The first write creates the directory, with a .gitignore: state does not belong in a repository.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> Document | None:
        """Return the document, or None if it does not exist."""
        try:
            handle = os.open(self.folder / key, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unusable(self.folder / key, error) from error
        with os.fdopen(handle, "rb") as file:
            data = file.read()
        return Document(data=data, version=_digest(data))

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Replace the document by a rename, under the lock of all its writers."""
        path = self.folder / key
        try:
            # mkdir applies the mode to the last folder only, so each folder is made by itself.
            _make_folder(self.folder)
            ignore_in_git(self.folder)
            _make_folder(path.parent)
            lock = lock_path(self.folder, key)
            with locked(lock):
                sweep(path.parent, lambda name: self._is_guarded(lock, path.with_name(name)))
                current = self.read(key)
                if (current.version if current else None) != expected:
                    raise StaleError(key)
                if current:
                    save_version(self.folder, key, current.data)
                write_atomically(path, data)
                save_version(self.folder, key, data)
        except OSError as error:
            raise unusable(path, error) from error
        return _digest(data)

    def _is_guarded(self, lock: Path, path: Path) -> bool:
        """Return True if all writers of a document take this lock: its holder is the only one."""
        return lock_path(self.folder, str(path.relative_to(self.folder))) == lock

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document, under the same lock."""
        if not self.folder.is_dir():
            return
        try:
            with locked(lock_path(self.folder, key)):
                current = self.read(key)
                if expected and current and current.version != expected:
                    raise StaleError(key)
                (self.folder / key).unlink(missing_ok=True)
        except OSError as error:
            raise unusable(self.folder / key, error) from error

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        """Return the keys below a prefix."""
        below = (self.folder / prefix).glob("**/*" if deep else "*")
        return tuple(
            sorted(
                str(path.relative_to(self.folder))
                for path in below
                if path.is_file()
                and not any(part.startswith(".") for part in path.relative_to(self.folder).parts)
            )
        )

    def versions(self, key: str) -> tuple[Version, ...]:
        """Return the versions that were kept when the document was replaced."""
        try:
            return read_versions(self.folder, key)
        except OSError as error:
            raise unusable(self.folder / FOLDER / key, error) from error

    def where(self, key: str) -> str:
        """Return the document's path."""
        return str(self.folder / key)

    def now(self) -> datetime:
        """Return this machine's time: a directory has no clock."""
        return datetime.now(UTC)


def ignore_in_git(folder: Path) -> None:
    """Add a .gitignore that excludes the whole folder."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, b"*\n")


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, each synced to the disk (mode 0700)."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    sync_folder(folder.parent)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
