"""Read the document of `terraform show -json PLAN`: resources with their attributes, and outputs.

The format is in the Terraform docs, "JSON Output Format" (format_version 1.2, Terraform 1.11;
OpenTofu 1.12 has the same keys). The stream of `plan -json` has no attributes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core.terraform.plan_guard import releases_of

LONGEST = 80
"""Characters of a value in a message."""
_EMPTY: tuple[Any, ...] = (None, "", [], {})
"""The provider writes each of these for a value that is not set."""
UNKNOWN = "(known after apply)"
SENSITIVE = "(sensitive value)"
"""Terraform's own words for both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedResource:
    """A managed resource of a plan; `after` lacks the attributes that `unknown` marks.

    `expressions` are the attributes and blocks that the module sets, except `dynamic` blocks.
    """

    address: str
    kind: str
    actions: tuple[str, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    unknown: Mapping[str, Any]
    sensitive: tuple[Any, Any] = (False, False)
    expressions: Mapping[str, Any]

    @property
    def releases(self) -> frozenset[str]:
        """The releases that it belongs to."""
        return releases_of(self.address)

    @property
    def changes_in_place(self) -> bool:
        """Return True for an update, and for a replacement."""
        return "update" in self.actions or {"create", "delete"} <= {*self.actions}

    @property
    def name(self) -> str:
        """The address as its author knows it, without the root module's call and any key."""
        return without_keys(self.address).removeprefix("module.release.")


def without_keys(address: str) -> str:
    """Return an address as the configuration has it: `module.a.aws_x.this`."""
    kept, depth, quoted = "", 0, False
    for character in address:
        quoted ^= character == '"'
        depth += (character == "[" and not quoted) - (character == "]" and not quoted)
        if not depth and character != "]":
            kept += character
    return kept


def read_resources(document: Mapping[str, Any]) -> tuple[PlannedResource, ...]:
    """Return the managed resources of a plan, unchanged ones too."""
    written = dict(_expressions(document["configuration"]["root_module"], ""))
    return tuple(
        _resource(each, written)
        for each in document.get("resource_changes", [])
        if each["mode"] == "managed"
    )


def read_output(document: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    """Return what is known of an output after the plan, and which parts of it are unknown."""
    change = document.get("output_changes", {}).get(name, {})
    return change.get("after"), change.get("after_unknown", False)


def differences(resource: PlannedResource) -> tuple[str, ...]:
    """Return a line for each attribute that a plan changes: `max_size: 4 -> 6`."""
    before, after = _masked(resource.before, resource.sensitive[0]), resource.after
    marked = _marked(_masked(after, resource.sensitive[1]), resource.unknown)
    return tuple(
        f"{path}: {_shown(old)} -> {_shown(new)}" for path, old, new in _differ("", before, marked)
    )


def with_attributes(lines: Iterable[str], changed: Iterable[PlannedResource]) -> tuple[str, ...]:
    """Return lines about resources, each followed by the attributes of its resource that change."""
    found = {f"{each.address}: ": differences(each) for each in changed}
    return tuple(
        each
        for line in lines
        for each in (
            line,
            *(
                f"  {difference}"
                for start, more in found.items()
                if line.startswith(start)
                for difference in more
            ),
        )
    )


def _resource(change: Mapping[str, Any], written: Mapping[str, Any]) -> PlannedResource:
    planned = change["change"]
    return PlannedResource(
        address=change["address"],
        kind=change["type"],
        actions=tuple(planned["actions"]),
        before=planned.get("before") or {},
        after=planned.get("after") or {},
        unknown=planned.get("after_unknown") or {},
        sensitive=(planned.get("before_sensitive"), planned.get("after_sensitive")),
        expressions=written.get(without_keys(change["address"]), {}),
    )


def _expressions(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in module.get("resources", []):
        yield prefix + each["address"], each.get("expressions", {})
    for name, call in module.get("module_calls", {}).items():
        yield from _expressions(call.get("module", {}), f"{prefix}module.{name}.")


def _differ(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    match before, after:
        case dict(), dict():
            for key in sorted({*before, *after}):
                place = f"{path}.{key}" if path else key
                yield from _differ(place, before.get(key), after.get(key))
        case [{}, *_], [{}, *_] if len(before) == len(after):
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                yield from _differ(f"{path}[{index}]", old, new)
        case _ if before != after and not (before in _EMPTY and after in _EMPTY):
            yield path, before, after


def _masked(value: Any, sensitive: Any) -> Any:
    """Return a value with Terraform's words in place of its sensitive parts."""
    return _replaced(value, sensitive, SENSITIVE)


def _marked(value: Any, unknown: Any) -> Any:
    return _replaced(value, unknown, UNKNOWN)


def _replaced(value: Any, marks: Any, word: str) -> Any:
    """Return a value with a word in each place that `marks` has True for, missing ones too."""
    if marks is True:
        return _Hidden(word=word, value=value)
    if isinstance(marks, dict) and marks:
        given = value if isinstance(value, dict) else {}
        replaced = {key: _replaced(given.get(key), marks.get(key), word) for key in marks}
        return {**given, **{key: new for key, new in replaced.items() if new or key in given}}
    if isinstance(marks, list) and isinstance(value, list):
        more = [*marks, *[False] * (len(value) - len(marks))]
        return [_replaced(each, mark, word) for each, mark in zip(value, more, strict=False)]
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hidden:
    """A value that is shown as a word of Terraform, and compared as itself."""

    word: str
    value: Any = None


def _shown(value: Any) -> str:
    if isinstance(value, _Hidden):
        return value.word
    text = json.dumps(value, ensure_ascii=False, default=_shown)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
