"""A store in a directory: rename under a file lock is its compare-and-swap."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from pipeline.adapters.files.atomic import sweep, sync_folder, write_atomically
from pipeline.adapters.files.lock import lock_of, locked, unusable
from pipeline.adapters.store.base import Document, StaleError
from pipeline.adapters.store.versions import FOLDER, Version, keep, kept


class DirectoryStore:
    """A directory, readable by its owner only; made when the first document is written.

    It tells git to leave it alone: state is no source.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> Document | None:
        """Return the document, or None."""
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
        """Write by rename, under a lock that all writers of the document take."""
        path = self.folder / key
        try:
            # The mode is that of the last folder alone, so each is made on its own.
            _make(self.folder)
            tell_git(self.folder)
            _make(path.parent)
            lock = lock_of(self.folder, key)
            with locked(lock):
                sweep(path.parent, lambda name: self._is_under(lock, path.with_name(name)))
                current = self.read(key)
                if (current.version if current else None) != expected:
                    raise StaleError(key)
                if current:
                    keep(self.folder, key, current.data)
                write_atomically(path, data)
                keep(self.folder, key, data)
        except OSError as error:
            raise unusable(path, error) from error
        return _digest(data)

    def _is_under(self, lock: Path, path: Path) -> bool:
        """Tell whether all who write a document hold this lock, which we have: else none lives."""
        return lock_of(self.folder, str(path.relative_to(self.folder))) == lock

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document, under the same lock."""
        if not self.folder.is_dir():
            return
        try:
            with locked(lock_of(self.folder, key)):
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
        """Return what was kept of the document when it was written over."""
        try:
            return kept(self.folder, key)
        except OSError as error:
            raise unusable(self.folder / FOLDER / key, error) from error

    def where(self, key: str) -> str:
        """Return the document's path."""
        return str(self.folder / key)

    def now(self) -> datetime:
        """Return this machine's time: a directory has no clock of its own."""
        return datetime.now(UTC)


def tell_git(folder: Path) -> None:
    """Have git leave a folder alone."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, b"*\n")


def _make(folder: Path) -> None:
    """Make a folder and those above it, each with a name that outlives a power cut."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    sync_folder(folder.parent)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
