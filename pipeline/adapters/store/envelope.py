"""Wrap a document in an envelope: schema version, checksum, the version it replaced.

All documents share it, so each is rejected the same way if it is truncated, damaged or written by
a newer version. The bytes are canonical: each content has one form, so a changed byte is detected.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pipeline.adapters.store.serialization import ShapeError, UnknownFieldError, from_json, to_json

SCHEMA = 1
LARGEST = 4 * 1024 * 1024
"""Bytes in a document at most; a thousand releases take a tenth."""

_FIELDS = {"schema", "checksum", "previous", "content"}

Content = TypeVar("Content")


class DamagedError(Exception):
    """The document is not as it was written; the text says how."""


class NewerError(Exception):
    """A newer version of this program wrote the document; the text says how that is known."""


def seal(content: Any, *, previous: str = "") -> bytes:
    """Return the document of a frozen value; `previous` is the version that it replaces."""
    body = {"schema": SCHEMA, "previous": previous, "content": to_json(content)}
    return _canonical({**body, "checksum": _checksum(body)})


def unseal(kind: type[Content], data: bytes) -> Content:
    """Return the value in a document; raises DamagedError or NewerError."""
    body = _parse(data)
    _require_schema(body.get("schema"))
    if body.keys() != _FIELDS:
        raise DamagedError("its envelope is incomplete")
    covered = {key: body[key] for key in body if key != "checksum"}
    if body["checksum"] != _checksum(covered) or _canonical(body) != data:
        raise DamagedError("its checksum does not match its content")
    try:
        return from_json(kind, body["content"])
    except UnknownFieldError as error:
        raise NewerError(str(error)) from error
    except ShapeError as error:
        raise DamagedError(str(error)) from error


def _parse(data: bytes) -> dict[str, Any]:
    if not data:
        raise DamagedError("it is empty")
    if len(data) > LARGEST:
        raise DamagedError(f"it has {len(data)} bytes, more than any document")
    try:
        body = json.loads(
            data.decode(), object_pairs_hook=_unique_keys, parse_constant=_reject_constant
        )
    except UnicodeDecodeError as error:
        raise DamagedError("it is not UTF-8") from error
    except RecursionError as error:
        raise DamagedError("it is nested too deeply") from error
    except ValueError as error:
        raise DamagedError(f"it is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise DamagedError("it is not a JSON object")
    return body


def _require_schema(number: object) -> None:
    if type(number) is not int or number < 1:
        raise DamagedError("it has no schema version")
    if number > SCHEMA:
        raise NewerError(f"its schema is version {number}, this version supports {SCHEMA}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
