"""Terraform's state and its lock: whole at any moment, whoever is killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standin.keep import Keep, note_of
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

    keep: Keep
    serial: int = 0
    lineage: str = ""
    resources: dict[Address, Instance] = field(default_factory=dict)

    @classmethod
    def load(cls, keep: Keep) -> State | None:
        """Return what is kept; None where there is none yet, or an empty one."""
        text = keep.read()
        if not text:
            return None
        document = json.loads(text)
        state = cls(keep, document["serial"], document["lineage"])
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
        self.keep.write(json.dumps(document, indent=2).encode() + b"\n")

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
    keep: Keep, operation: str, within: float, sleep: Callable[[float], None]
) -> Iterator[None]:
    """Hold the state; raise LockedError where somebody else does for longer than `within` s."""
    note = _note(operation, keep.path)
    deadline = time.monotonic() + within
    while not keep.take(json.dumps(note).encode()):
        if time.monotonic() >= deadline:
            raise LockedError(_HELD.format_map(note | note_of(keep.holder())))
        sleep(0.05)
    try:
        yield
    finally:
        keep.give_back()


def _note(operation: str, path: str) -> dict[str, str]:
    return {
        "ID": new_id(),
        "Operation": f"OperationType{operation}",
        "Info": "",
        "Who": f"stand-in@{os.uname().nodename}",
        "Version": VERSION,
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Path": path,
    }
