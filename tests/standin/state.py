"""Terraform's state and its lock, complete at any moment even if a process is killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standin.backend import Backend, parse_lock_info
from tests.standin.stream import VERSION, Address

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
    """Another process holds the state; the message is Terraform's."""


@dataclass
class Instance:
    """A resource in the state."""

    id: str
    tainted: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """The state of a folder; call `save` after each change."""

    backend: Backend
    serial: int = 0
    lineage: str = ""
    resources: dict[Address, Instance] = field(default_factory=dict)

    @classmethod
    def load(cls, backend: Backend) -> State | None:
        """Return the state, or None if there is none or it is empty."""
        text = backend.read()
        if not text:
            return None
        document = json.loads(text)
        state = cls(backend, document["serial"], document["lineage"])
        for resource in document["resources"]:
            for each in resource["instances"]:
                state.resources[resource["type"], each["index_key"]] = Instance(
                    id=each["attributes"]["id"],
                    tainted=each.get("status") == "tainted",
                    attributes=each["attributes"],
                )
        return state

    def save(self) -> None:
        """Write the state in one step."""
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
        self.backend.write(json.dumps(document, indent=2).encode() + b"\n")

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
    """Return an ID in Terraform's format; an import of `uuid` would be slow."""
    digits = os.urandom(16).hex()
    places = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    return "-".join(digits[first:last] for first, last in places)


@contextmanager
def hold_lock(
    backend: Backend, operation: str, within: float, sleep: Callable[[float], None]
) -> Iterator[None]:
    """Hold the state's lock; raise LockedError if it stays locked beyond `within` seconds."""
    info = _lock_info(operation, backend.path)
    deadline = time.monotonic() + within
    while not backend.lock(json.dumps(info).encode()):
        if time.monotonic() >= deadline:
            raise LockedError(_HELD.format_map(info | parse_lock_info(backend.lock_info())))
        sleep(0.05)
    try:
        yield
    finally:
        backend.unlock()


def _lock_info(operation: str, path: str) -> dict[str, str]:
    return {
        "ID": new_id(),
        "Operation": f"OperationType{operation}",
        "Info": "",
        "Who": f"stand-in@{os.uname().nodename}",
        "Version": VERSION,
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Path": path,
    }
