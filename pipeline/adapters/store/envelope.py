"""The envelope of a document: schema version, checksum, the version it was written over.

One for all documents, so that each of them is refused alike when it was cut short,
damaged, or written by a newer version. A document's bytes are canonical: there is one
way to write each content, so a single other byte anywhere is found.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pipeline.adapters.store.serialization import ShapeError, UnknownFieldError, plain, typed

SCHEMA = 1
LARGEST = 4 * 1024 * 1024
"""Bytes; a thousand releases take a tenth. Nothing larger is parsed."""

_FIELDS = {"schema", "checksum", "previous", "content"}

Content = TypeVar("Content")


class DamagedError(Exception):
    """The document is not as it was written; the text says in what way."""


class NewerError(Exception):
    """A newer version of this program wrote the document; the text says how it shows."""


def seal(content: Any, *, previous: str = "") -> bytes:
    """Return the document of a frozen value; `previous` is the version it is written over."""
    body = {"schema": SCHEMA, "previous": previous, "content": plain(content)}
    return _canonical({**body, "checksum": _checksum(body)})


def unseal(kind: type[Content], data: bytes) -> Content:
    """Return the value a document holds; raises DamagedError or NewerError."""
    body = _parse(data)
    _require_schema(body.get("schema"))
    if body.keys() != _FIELDS:
        raise DamagedError("its envelope is incomplete")
    unsummed = {key: body[key] for key in body if key != "checksum"}
    if body["checksum"] != _checksum(unsummed) or _canonical(body) != data:
        raise DamagedError("its checksum does not fit its content")
    try:
        return typed(kind, body["content"])
    except UnknownFieldError as error:
        raise NewerError(str(error)) from error
    except ShapeError as error:
        raise DamagedError(str(error)) from error


def _parse(data: bytes) -> dict[str, Any]:
    if not data:
        raise DamagedError("it is empty")
    if len(data) > LARGEST:
        raise DamagedError(f"it holds {len(data)} bytes, and no document is that long")
    try:
        body = json.loads(
            data.decode(), object_pairs_hook=_each_once, parse_constant=_refuse_constant
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
        raise NewerError(f"its schema is version {number}, this version knows {SCHEMA}")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
