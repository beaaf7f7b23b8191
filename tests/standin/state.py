"""Terraform's state in a local file and its lock: whole at any moment, whoever is killed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.standin.stream import VERSION, Address

STATE = "terraform.tfstate"
_LOCK = ".terraform.tfstate.lock.info"
_HELD = """\
Error message: resource temporarily unavailable
Lock Info:
  ID:        {ID}
  Path:      {Path}
  Operation: {Operation}
  Who:       {Who}
  Version:   {Version}
  Created:   {Created}
  Info:      {Info}


Terraform acquires a state lock to protect the state from being written
by multiple users at the same time. Please resolve the issue above and try
again. For most commands, you can disable locking with the "-lock=false"
flag, but this is not recommended."""


class LockedError(Exception):
    """Somebody else holds the state; in Terraform's words."""


@dataclass
class Instance:
    """What the state knows of one resource."""

    id: str
    tainted: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """All that the state of a folder knows; `save` after each change."""

    folder: Path
    serial: int = 0
    lineage: str = ""
    resources: dict[Address, Instance] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """Return what the file says; None where there is none yet, or an empty one."""
        try:
            text = (folder / STATE).read_bytes()
        except FileNotFoundError:
            return None
        if not text:
            return None
        document = json.loads(text)
        state = cls(folder, document["serial"], document["lineage"])
        for resource in document["resources"]:
            for each in resource["instances"]:
                state.resources[resource["type"], each["index_key"]] = Instance(
                    id=each["attributes"]["id"],
                    tainted=each.get("status") == "tainted",
                    attributes=each["attributes"],
                )
        return state

    def save(self) -> None:
        """Write it in one step."""
        self.lineage = self.lineage or new_id()
        self.serial += 1
        document = {
            "version": 4,
            "terraform_version": VERSION,
            "serial": self.serial,
            "lineage": self.lineage,
            "outputs": {},
            "resources": [self._resource(kind) for kind in sorted({k for k, _ in self.resources})],
            "check_results": None,
        }
        new = self.folder / f".{STATE}.new"
        new.write_text(json.dumps(document, indent=2) + "\n")
        new.replace(self.folder / STATE)

    def _resource(self, kind: str) -> dict[str, Any]:
        return {
            "module": "module.release",
            "mode": "managed",
            "type": kind,
            "name": "this",
            "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
            "instances": [
                {
                    "index_key": key,
                    **({"status": "tainted"} if each.tainted else {}),
                    "schema_version": 0,
                    "attributes": {**each.attributes, "id": each.id},
                }
                for (of, key), each in sorted(self.resources.items())
                if of == kind
            ],
        }


def new_id() -> str:
    """Return an id as Terraform writes them, without what `uuid` takes to import."""
    digits = os.urandom(16).hex()
    places = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    return "-".join(digits[first:last] for first, last in places)


@contextmanager
def locked(
    folder: Path, operation: str, within: float, sleep: Callable[[float], None]
) -> Iterator[None]:
    """Hold the state; raise LockedError where somebody else does for longer than `within` s.

    A killed process holds nothing, and leaves the note of who held it; the next one replaces it.
    """
    handle = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + within
    try:
        while not _taken(handle):
            if time.monotonic() >= deadline:
                raise LockedError(_HELD.format_map(_holder(folder)))
            sleep(0.05)
        (folder / _LOCK).write_text(json.dumps(_note(operation)))
        yield
        (folder / _LOCK).unlink(missing_ok=True)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _note(operation: str) -> dict[str, str]:
    return {
        "ID": new_id(),
        "Operation": f"OperationType{operation}",
        "Info": "",
        "Who": f"stand-in@{os.getpid()}",
        "Version": VERSION,
        "Created": time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime()),
        "Path": STATE,
    }


def _holder(folder: Path) -> dict[str, str]:
    try:
        note: dict[str, str] = json.loads((folder / _LOCK).read_bytes())
    except (OSError, ValueError):
        note = _note("Invalid")
    return note
