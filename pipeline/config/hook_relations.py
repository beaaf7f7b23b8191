"""Check the keys of [[promote.hooks]] against each other, and name what replaces verify."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline.config.hook_files import hooks
from pipeline.config.relations import Problem
from pipeline.core.hooks.hook import ONCE_AT, Point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config.lines import Key

_WITHOUT = {
    ("before-launch", "green"): "the new release has no instances yet",
    ("after", "blue"): "the old release may be deleted by then",
    ("on-failure", "green"): "the new release is deleted by then; on-rollback runs before that",
}
"""The points at which a release has no instances for certain."""


def replaced_hooks(document: dict[str, Any]) -> Iterator[Problem]:
    """Yield the verify hooks of an earlier version, with the line that replaces them."""
    for key, value in hooks(document, "verify", whole=True):
        listed = value if isinstance(value, list) else []
        given = [each for each in listed if isinstance(each, dict)]
        tables = ", ".join(map(_inline, given))
        yield Problem(
            key=key,
            what='is now hooks, in which each hook has at = "before-traffic"',
            remedy=f"write instead, in [{'.'.join(map(str, key[:-1]))}]: hooks = [{tables}]",
        )


def _inline(hook: dict[str, Any]) -> str:
    keys = {"at": Point.BEFORE_TRAFFIC, **hook}
    pairs = (f"{name} = {json.dumps(value, default=str)}" for name, value in keys.items())
    return f"{{ {', '.join(pairs)} }}"


def contradicting_hooks(document: dict[str, Any]) -> Iterator[Problem]:
    """Yield each hook that could not run as it says; the model reports invalid values."""
    for key, hook in hooks(document, "hooks"):
        if isinstance(hook, dict) and hook.get("at") in {*Point}:
            yield from _check(key, hook)


def _check(key: Key, hook: dict[str, Any]) -> Iterator[Problem]:
    at, on_instance = Point(hook["at"]), hook.get("run") == "instance"
    if "on" in hook and not on_instance:
        remedy = 'add run = "instance", or remove on'
        yield Problem(key=(*key, "on"), what="has no effect: the hook runs here", remedy=remedy)
    if on_instance and (why := _WITHOUT.get((at, str(hook.get("on"))))):
        yield Problem(key=(*key, "on"), what=f"{at} on {hook['on']} cannot run: {why}")
    command = hook.get("command")
    program = command[0] if isinstance(command, list) and command else ""
    if on_instance and isinstance(program, str) and "/" in program[1:] and program[0] != "/":
        what = "is relative, and on an instance there is no folder of pipeline.toml"
        remedy = "write the path that it has in the image, from /"
        yield Problem(key=(*key, "command", 0), what=what, remedy=remedy)
    if hook.get("once") is True:
        yield from _check_once(key, at, on_instance=on_instance)


def _check_once(key: Key, at: Point, *, on_instance: bool) -> Iterator[Problem]:
    if at not in ONCE_AT:
        points = ", ".join(ONCE_AT)
        what = f"a hook at {at} cannot run once for an image: the deployment may still go back, "
        what += "or may never come there"
        yield Problem(key=(*key, "once"), what=what, remedy=f"choose one of {points}")
    elif on_instance and at is Point.BEFORE_LAUNCH:
        what = "a first release has no instances before its launch"
        yield Problem(key=(*key, "once"), what=what, remedy='write at = "after-launch"')
