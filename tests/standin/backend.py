"""The backends of the stand-in: a file, or S3 like Terraform's backend with `use_lockfile`.

A killed process leaves its lock in S3 forever; in a file it only leaves the lock info.
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
PRECONDITION_FAILED = 412


class Backend(Protocol):
    """The place of a state."""

    path: str

    def read(self) -> bytes:
        """Return the state, or nothing."""

    def write(self, data: bytes) -> None:
        """Replace the state in one step."""

    def lock(self, info: bytes) -> bool:
        """Lock the state with a lock info; return False if it is locked."""

    def lock_info(self) -> bytes:
        """Return the info of the current lock, or nothing."""

    def unlock(self) -> None:
        """Unlock the state."""


def open_backend(folder: Path, backend: dict[str, Any]) -> Backend:
    """Return the backend of a root module."""
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

    def lock(self, info: bytes) -> bool:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        (self.folder / _LOCK).write_bytes(info)
        return True

    def lock_info(self) -> bytes:
        with suppress(OSError):
            return (self.folder / _LOCK).read_bytes()
        return b""

    def unlock(self) -> None:
        (self.folder / _LOCK).unlink(missing_ok=True)
        os.close(self._handle)


@dataclass
class S3:
    """An object, locked by another object beside it."""

    endpoint: str
    path: str

    def read(self) -> bytes:
        status, data = self._request("GET", self.path)
        return data if status == 200 else b""

    def write(self, data: bytes) -> None:
        status, response = self._request("PUT", self.path, data)
        if status != 200:
            raise OSError(response.decode("utf-8", "replace"))

    def lock(self, info: bytes) -> bool:
        status, response = self._request("PUT", f"{self.path}.tflock", info, {"If-None-Match": "*"})
        if status not in {200, 409, PRECONDITION_FAILED}:
            raise OSError(response.decode("utf-8", "replace"))
        return status == 200

    def lock_info(self) -> bytes:
        status, data = self._request("GET", f"{self.path}.tflock")
        return data if status == 200 else b""

    def unlock(self) -> None:
        self._request("DELETE", f"{self.path}.tflock")

    def _request(
        self, method: str, path: str, data: bytes = b"", more: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        from http.client import HTTPConnection  # noqa: PLC0415  most commands need no AWS

        key = os.environ.get("AWS_ACCESS_KEY_ID", "local-cloud")
        scope = f"{key}/20260101/us-east-1/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=, Signature=0"
        token = os.environ.get("AWS_SESSION_TOKEN", "")
        headers = {"Authorization": signed, **(more or {})}
        headers |= {"X-Amz-Security-Token": token} if token else {}
        connection = HTTPConnection(self.endpoint, timeout=60)
        try:
            connection.request(method, f"/{path}", data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def parse_lock_info(data: bytes) -> dict[str, str]:
    """Return the fields of a lock info, or an empty document if it is invalid."""
    try:
        info: dict[str, str] = json.loads(data)
    except ValueError:
        return {}
    return info
