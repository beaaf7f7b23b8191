"""Where a state is kept and locked: a file, or S3 as Terraform's backend does with `use_lockfile`.

A killed process leaves its lock in S3 for ever; in a file it leaves the note of who held it.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

STATE = "terraform.tfstate"
_LOCK = ".terraform.tfstate.lock.info"
_TAKEN = 412


class Keep(Protocol):
    """A state's place."""

    path: str

    def read(self) -> bytes:
        """Return the state, or nothing."""

    def write(self, data: bytes) -> None:
        """Replace the state in one step."""

    def take(self, note: bytes) -> bool:
        """Lock it, with a note of who does; False where it is locked."""

    def holder(self) -> bytes:
        """Return the note of who locked it, or nothing."""

    def give_back(self) -> None:
        """Unlock it."""


def kept(folder: Path, backend: dict[str, Any]) -> Keep:
    """Return the place that a backend names."""
    if "s3" in backend:
        named = backend["s3"]
        endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
        return S3(endpoint=endpoint, path=f"{named['bucket']}/{named['key']}")
    return File(folder)


@dataclass
class File:
    """A file in the folder of the root module, locked by the kernel."""

    folder: Path
    path: str = STATE
    _handle: int = -1

    def read(self) -> bytes:
        with suppress(FileNotFoundError):
            return (self.folder / STATE).read_bytes()
        return b""

    def write(self, data: bytes) -> None:
        new = self.folder / f".{STATE}.new"
        new.write_bytes(data)
        new.replace(self.folder / STATE)

    def take(self, note: bytes) -> bool:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        (self.folder / _LOCK).write_bytes(note)
        return True

    def holder(self) -> bytes:
        with suppress(OSError):
            return (self.folder / _LOCK).read_bytes()
        return b""

    def give_back(self) -> None:
        (self.folder / _LOCK).unlink(missing_ok=True)
        os.close(self._handle)


@dataclass
class S3:
    """An object, locked by another one beside it."""

    endpoint: str
    path: str

    def read(self) -> bytes:
        status, data = self._ask("GET", self.path)
        return data if status == 200 else b""

    def write(self, data: bytes) -> None:
        status, said = self._ask("PUT", self.path, data)
        if status != 200:
            raise OSError(said.decode("utf-8", "replace"))

    def take(self, note: bytes) -> bool:
        status, said = self._ask("PUT", f"{self.path}.tflock", note, {"If-None-Match": "*"})
        if status not in {200, 409, _TAKEN}:
            raise OSError(said.decode("utf-8", "replace"))
        return status == 200

    def holder(self) -> bytes:
        status, data = self._ask("GET", f"{self.path}.tflock")
        return data if status == 200 else b""

    def give_back(self) -> None:
        self._ask("DELETE", f"{self.path}.tflock")

    def _ask(
        self, method: str, path: str, data: bytes = b"", more: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        from http.client import HTTPConnection  # noqa: PLC0415  most verbs need no AWS

        scope = "local-cloud/20260101/us-east-1/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=, Signature=0"
        connection = HTTPConnection(self.endpoint, timeout=60)
        try:
            connection.request(method, f"/{path}", data, {"Authorization": signed, **(more or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def note_of(data: bytes) -> dict[str, str]:
    """Return what a note says; nothing where it is none."""
    try:
        note: dict[str, str] = json.loads(data)
    except ValueError:
        return {}
    return note
