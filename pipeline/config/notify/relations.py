"""Check the keys of [[notify]] against each other and against the environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pipeline.core.validation.text import shown

Key: TypeAlias = tuple[str | int, ...]
Found: TypeAlias = tuple[Key, str, str]
"""A key, what is wrong with it, and the remedy."""

_SHARED = frozenset({"kind", "name", "environments", "events", "link"})
_OF_KIND: Mapping[str, frozenset[str]] = {
    "slack": frozenset({"url_env"}),
    "webhook": frozenset({"url", "url_env", "secret_env"}),
    "sns": frozenset({"topic_arn"}),
    "github": frozenset({"repository", "token_env", "api_url"}),
}
_NEEDED: Mapping[str, tuple[tuple[frozenset[str], str], ...]] = {
    "slack": ((frozenset({"url_env"}), 'add url_env = "SLACK_WEBHOOK_URL"'),),
    "webhook": (
        (frozenset({"url", "url_env"}), 'add url = "https://..." or url_env = "HOOK_URL"'),
        (frozenset({"secret_env"}), 'add secret_env = "HOOK_SECRET"'),
    ),
    "sns": ((frozenset({"topic_arn"}), 'add topic_arn = "arn:aws:sns:..."'),),
    "github": (),
}
_CHECKED = ("no-rebuild", "rollback-unproven")


def contradicting_targets(document: Mapping[str, Any]) -> Iterator[Found]:
    """Yield every key of [[notify]] that contradicts another one."""
    listed = document.get("notify")
    seen: set[str] = set()
    for place, table in enumerate(listed if isinstance(listed, list) else ()):
        kind = table.get("kind") if isinstance(table, dict) else None
        if not isinstance(kind, str) or kind not in _OF_KIND:
            continue  # the model reports it
        key = ("notify", place)
        yield from _of_other_kinds(key, table, kind)
        yield from _needed(key, table, kind)
        yield from _names(key, table, kind, seen)
        yield from _environments(key, table, document)


def _of_other_kinds(key: Key, table: Mapping[str, Any], kind: str) -> Iterator[Found]:
    others = {name for names in _OF_KIND.values() for name in names} - _OF_KIND[kind]
    for name in sorted(others & table.keys()):
        yield (*key, name), f'has no effect with kind = "{kind}"', "remove it"
    if "url" in table and "url_env" in table and kind == "webhook":
        yield (*key, "url"), "is given twice, also by url_env", "remove one of the two"
    events = table.get("events")
    for place, event in enumerate(events if isinstance(events, list) else ()):
        if kind == "github" and event in _CHECKED:
            what = f"{event} is no event of a deployment, which is what GitHub shows"
            yield (*key, "events", place), what, "remove it"


def _needed(key: Key, table: Mapping[str, Any], kind: str) -> Iterator[Found]:
    for names, remedy in _NEEDED[kind]:
        if not names & table.keys():
            missing = " or ".join(sorted(names))
            yield key, f'kind = "{kind}" needs {missing}', remedy


def _names(key: Key, table: Mapping[str, Any], kind: str, seen: set[str]) -> Iterator[Found]:
    name = table.get("name", kind)
    if isinstance(name, str) and name in seen:
        at = (*key, "name") if "name" in table else key
        yield at, f"another [[notify]] has the name {shown(name)}", 'add name = "..." of its own'
    seen.add(name if isinstance(name, str) else kind)


def _environments(
    key: Key, table: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[Found]:
    known, named = document.get("environments"), table.get("environments")
    known = known if isinstance(known, dict) else {}
    for place, name in enumerate(named if isinstance(named, list) else ()):
        if isinstance(name, str) and name not in known:
            remedy = f"add [environments.{name}], or remove it" if name.isascii() else "remove it"
            what = f"there is no environment {shown(name)}"
            yield (*key, "environments", place), what, remedy
