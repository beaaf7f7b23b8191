"""Read the parameters of a call, as the query and JSON protocols send them."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Parameters = Mapping[str, Any]
OF_THE_PROTOCOL = {"Action", "Version"}
"""Parameters of the query protocol: the version of the API is not that of a launch template."""


def read(body: bytes, query: str, *, is_json: bool) -> Parameters:
    """Return the parameters of a call; none if they cannot be read, which the service refuses."""
    if is_json:
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            return {}
        return decoded if isinstance(decoded, dict) else {}
    text = body.decode(errors="replace") or query
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)
    return nested((name, value) for name, value in pairs if name not in OF_THE_PROTOCOL)


def nested(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Return `A.1.B=c` or `A.member.1.B=c` as {"A": [{"B": "c"}]}."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        *parents, last = [part for part in name.split(".") if part != "member"] or [name]
        node = root
        for part in parents:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[last] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    children = {name: _listed(child) for name, child in value.items()}
    if children and all(name.isdigit() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


def texts(value: Any) -> list[str]:
    """Return a text, or the texts of a list; nothing for anything else."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each]


def named(parameters: Parameters, *names: str) -> list[str]:
    """Return the texts of the first of these parameters that is given."""
    return next((found for name in names if (found := texts(parameters.get(name)))), [])


def structures(value: Any) -> list[Parameters]:
    """Return the structures of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def every_text(value: Any) -> Iterator[str]:
    """Yield every text in a parameter, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from every_text(child)


def tags(given: Any) -> dict[str, str]:
    """Return the tags of a list of keys and values."""
    return {
        str(tag.get("Key", tag.get("TagKey", ""))): str(tag.get("Value", tag.get("TagValue", "")))
        for tag in structures(given)
    }
