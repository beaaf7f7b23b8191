"""Give each provider a folder for its socket, and remove those that killed runs have left."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "ami-pipeline-provider-"
START = 60.0
"""Seconds that a provider has to start, as in Terraform (go-plugin's StartTimeout)."""


@contextmanager
def socket_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can enter; it is removed at the end.

    The path of a Unix socket has about 100 bytes (unix(7)), so it is in the temporary directory.
    """
    _remove_left()
    folder = Path(mkdtemp(prefix=PREFIX))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left() -> None:
    """Remove the folders whose provider has ended; one that may still start is younger."""
    for folder in Path(gettempdir()).glob(PREFIX + "*"):
        try:
            facts = folder.lstat()
            is_old = time.time() - facts.st_mtime > START
            if facts.st_uid == os.getuid() and is_old and not _is_used(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _is_used(folder: Path) -> bool:
    """Return True if a process accepts connections on a socket in a folder."""
    return any(_accepts(path) for path in folder.iterdir() if path.is_socket())


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as found:
        try:
            found.connect(str(path))
        except OSError:
            return False
    return True
