"""Convert frozen dataclasses to JSON data and back, by the declared types of their fields.

A new field of a core value is stored without a change here, and every document with another shape
is rejected the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


class ShapeError(ValueError):
    """The data does not have the declared type; the text names the field."""


class UnknownFieldError(ShapeError):
    """The data has a field that this version does not know: a newer version wrote it."""


def to_json(value: Any) -> Any:
    """Return a value as JSON data; raises TypeError if JSON has no form for it."""
    match value:
        case Enum():
            return to_json(value.value)
        case float() if not isfinite(value):
            pass
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case tuple() | list():
            return [to_json(item) for item in value]
        case set() | frozenset():
            return sorted(to_json(item) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    raise TypeError(f"{value!r} has no JSON form")


def from_json(kind: type[Value], data: Any) -> Value:
    """Return a dataclass from JSON data; raises ShapeError if the data has another shape.

    A field with a default may be missing: an older version did not write it.
    """
    value: Value = _record(kind, data, "")
    return value


def _value(kind: Any, data: Any, name: str) -> Any:
    if kind is Any:
        return data
    if reader := _READERS.get(get_origin(kind)):
        return reader(get_args(kind), data, name)
    return _record(kind, data, name) if is_dataclass(kind) else _scalar(kind, data, name)


def _record(kind: Any, data: Any, name: str) -> Any:
    """Return a dataclass whose fields all have their declared types."""
    given = _require_type(dict, data, name or "the content")
    known = _hints(kind)
    if unknown := sorted(given.keys() - known.keys()):
        raise UnknownFieldError(f"{_inside(name, unknown[0])} is unknown to this version")
    missing = _required(kind) - given.keys()
    if missing:
        raise ShapeError(f"{_inside(name, min(missing))} is missing")
    return kind(
        **{key: _value(known[key], item, _inside(name, key)) for key, item in given.items()}
    )


def _optional(kinds: tuple[Any, ...], data: Any, name: str) -> Any:
    """Return None, or a value of the other type; the core's values have no other unions."""
    if data is None and NoneType in kinds:
        return None
    return _value(next(kind for kind in kinds if kind is not NoneType), data, name)


def _one_of(choices: tuple[Any, ...], data: Any, name: str) -> Any:
    if data not in choices:
        raise ShapeError(f"{name}: {data!r} is not one of {', '.join(map(repr, choices))}")
    return data


def _listed(inner: tuple[Any, ...], data: Any, name: str) -> Any:
    items = enumerate(_require_type(list, data, name))
    return tuple(_value(inner[0], item, f"{name}[{number}]") for number, item in items)


def _mapped(inner: tuple[Any, ...], data: Any, name: str) -> Any:
    items = _require_type(dict, data, name).items()
    return {key: _value(inner[1], item, f"{name}.{key}") for key, item in items}


_READERS = {
    Union: _optional,
    UnionType: _optional,
    Literal: _one_of,
    tuple: _listed,
    Mapping: _mapped,
}


def _scalar(kind: Any, data: Any, name: str) -> Any:
    if issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError as error:
            raise ShapeError(f"{name}: {error}") from error
    if kind is float and type(data) is int:
        return float(data)
    return _require_type(kind, data, name)


def _require_type(kind: type[Any], data: Any, name: str) -> Any:
    """Return the data if it has exactly this type: True is not a number."""
    if type(data) is not kind:
        raise ShapeError(f"{name} does not have the type {kind.__name__}")
    return data


def _inside(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


@cache
def _required(kind: Any) -> frozenset[str]:
    needed = (
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    )
    return frozenset(needed)
