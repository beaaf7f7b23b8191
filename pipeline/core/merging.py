"""Merge pipeline.toml with the file of common defaults that it extends.

Separate from `pipeline.config`, because a shell's completion merges the files, too, and has no time
for pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Key: TypeAlias = tuple[str | int, ...]
Document: TypeAlias = Mapping[str, Any]

EXTENDS: Final = "extends"
APP: Final = "{app}"
_VALUES: Final = (("bake", "vars"), ("terraform", "inputs"))
"""The tables whose elements are values of the user's own, such as a map."""


def merge(own: Document, defaults: Document, key: Key = ()) -> dict[str, Any]:
    """Return a document with the keys of both; the own value wins, and tables are merged.

    A list, a variable, an input of the module and `bake.source` are replaced as a whole, as an
    environment replaces them.
    """
    merged: dict[str, Any] = {}
    for name, value in own.items():
        theirs = defaults.get(name)
        both = isinstance(value, Mapping) and isinstance(theirs, Mapping)
        if both and not _is_whole((*key, name)):
            merged[name] = merge(value, defaults[name], (*key, name))
        else:
            merged[name] = value
    return merged | {name: value for name, value in defaults.items() if name not in own}


def is_inherited(own: Document, key: Key) -> bool:
    """Return True if the value of a key of the defaults, or of a table around it, is in the result.

    `own` is the document that extends them.
    """
    table: Any = own
    for place, part in enumerate(key):
        if not isinstance(table, Mapping) or (place and _is_whole(key[:place])):
            return False
        if part not in table:
            return True
        table = table[part]
    return False


def fill_app(document: Document) -> dict[str, Any]:
    """Return the document with the name of its application in place of `{app}` in `state.url`."""
    app, state = document.get("app"), document.get("state")
    url = state.get("url") if isinstance(state, Mapping) else None
    if not (isinstance(app, str) and isinstance(state, Mapping) and isinstance(url, str)):
        return dict(document)
    return {**document, "state": {**state, "url": url.replace(APP, app)}}


def _is_whole(key: Key) -> bool:
    return key == ("bake", "source") or key[-3:-1] in _VALUES


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The effective value of a key of pipeline.toml, and its origin.

    `file` and `line` are those that state it; a default has none. `variable` is the environment
    variable that holds the real value, and `is_set` is True if there is one.
    """

    key: Key
    value: Any
    file: str = ""
    line: int = 0
    variable: str = ""
    is_set: bool = False
