"""Write a configuration as TOML: Python's standard library only reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.core.adoption.model import Adoption

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH: Final = 80
_ESCAPED: Final = {"\\": "\\\\", '"""': '""\\"'}


def environment_toml(name: str, adoption: Adoption) -> str:
    """Return the tables of an environment, with a comment for each input that is missing."""
    own = f"environments.{name}"
    lines = [f"# From the Auto Scaling group {adoption.group}.", f"[{own}]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in adoption.settings.items()]
    lines += [f"# missing: {each}" for each in adoption.missing if each == "instance_type"]
    inputs = f"{own}.terraform.inputs"
    lines += ["", f"[{inputs}]"]
    lines += [f"# missing: {each}" for each in adoption.missing if each != "instance_type"]
    lines += [
        f"{toml_key(key)} = {toml_value(value)}"
        for key, value in adoption.inputs.items()
        if key not in _TABLES
    ]
    for key in _TABLES:
        lines += _table(f"{inputs}.{key}", adoption.inputs.get(key, {}))
    return "\n".join([*lines, ""])


_TABLES: Final = ("tags", "scaling_policies", "schedules")
"""The inputs that are written as tables of their own."""


def _table(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield from ["", f"[{name}]"]
        yield from (f"{toml_key(key)} = {toml_value(value)}" for key, value in values.items())


def toml_key(name: str) -> str:
    """Return a name as a key, in quotes if it needs them."""
    return name if _BARE.fullmatch(name) else _text(name)


def toml_value(value: Any) -> str:
    """Return a value as TOML; a long list and a text of several lines take several lines."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _lines(value) if "\n" in value else _text(value)
        case dict():
            return (
                "{ "
                + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items())
                + " }"
            )
        case list() | tuple():
            return _list([toml_value(each) for each in value])
        case _:
            return repr(value)


def _list(elements: list[str]) -> str:
    line = f"[{', '.join(elements)}]"
    if len(line) <= _WIDTH or len(elements) < 2:  # noqa: PLR2004 - one element fits no better
        return line
    return "\n".join(["[", *(f"  {each}," for each in elements), "]"])


def _text(text: str) -> str:
    """Return a basic string: JSON's escapes are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(text: str) -> str:
    """Return a multi-line string, which begins after its first line end."""
    for found, escaped in _ESCAPED.items():
        text = text.replace(found, escaped)
    ends = '\\"' if text.endswith('"') else ""
    return f'"""\n{text[:-1] + ends if ends else text}"""'
