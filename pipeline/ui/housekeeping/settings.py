"""Render the effective settings with their origins, for people and for machines."""

from __future__ import annotations

from typing import Any

from pipeline.core.adoption.toml_text import toml_key, toml_value
from pipeline.core.merging import Setting

DEFAULT = "default"


def settings_text(file: str, settings: tuple[Setting, ...]) -> str:
    """Return a line of TOML for each key, with its origin as a comment."""
    return "\n".join([f"# {file}", *map(_line, settings)])


def settings_document(file: str, settings: tuple[Setting, ...]) -> dict[str, Any]:
    """Return the document for machines; the file of a default is null."""
    return {"file": file, "settings": [_document(each) for each in settings]}


def _line(setting: Setting) -> str:
    value, origin = toml_value(setting.value), f"  # {_origin(setting)}"
    # A comment within a text of several lines would be a part of it.
    first, end, rest = value.partition("\n")
    name = _name(setting)
    if end and first.startswith("["):
        return f"{name} = {first}{origin}\n{rest}"
    return f"{name} = {value}{origin}"


def _origin(setting: Setting) -> str:
    place = f"{setting.file}:{setting.line}" if setting.file else DEFAULT
    if not setting.variable:
        return place
    state = "is set" if setting.is_set else "is not set"
    return f"{place}, environment variable {setting.variable} {state}"


def _document(setting: Setting) -> dict[str, Any]:
    variable = {"name": setting.variable, "set": setting.is_set} if setting.variable else None
    return {
        "key": _name(setting),
        "value": setting.value,
        "origin": "file" if setting.file else DEFAULT,
        "file": setting.file or None,
        "line": setting.line or None,
        "variable": variable,
    }


def _name(setting: Setting) -> str:
    return ".".join(toml_key(str(part)) for part in setting.key)
