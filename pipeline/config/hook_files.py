"""Find the programs of hooks that cannot run: before a release waits for them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from pipeline.config.relations import Problem
from pipeline.config.source_text import show_file
from pipeline.core import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config.lines import Key


def unusable_programs(root: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Yield each hook and policy whose program does not exist or is not executable.

    A program with a slash in its name is relative to the folder of pipeline.toml, another one is on
    PATH (execvp(3)).
    """
    for key, program in programs(document):
        if isinstance(program, str) and program:
            yield from _check(key, root, program)


def programs(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    """Yield the program of each hook and policy that runs on this machine, with its key."""
    given = document.get("policy")
    policies = enumerate(given if isinstance(given, list) else ())
    for key, table in (*hooks(document), *((("policy", place), each) for place, each in policies)):
        here = isinstance(table, dict) and table.get("run", "here") == "here"
        command = table.get("command") if here and isinstance(table, dict) else None
        if isinstance(command, list) and command:
            yield (*key, "command", 0), command[0]


def hooks(
    document: dict[str, Any], name: str = "hooks", *, whole: bool = False
) -> Iterator[tuple[Key, object]]:
    """Yield the hooks of the top and of every environment, each with its key; `whole` the lists."""
    environments = document.get("environments")
    tables: list[tuple[Key, object]] = [(("promote",), document.get("promote"))]
    if isinstance(environments, dict):
        for environment, table in environments.items():
            given = table.get("promote") if isinstance(table, dict) else None
            tables.append((("environments", environment, "promote"), given))
    for key, table in tables:
        found = table.get(name) if isinstance(table, dict) else None
        if whole and found is not None:
            yield (*key, name), found
        elif isinstance(found, list):
            yield from (((*key, name, place), hook) for place, hook in enumerate(found))


def _check(key: Key, root: Path, program: str) -> Iterator[Problem]:
    if "/" not in program:
        if shutil.which(program) is None:
            what = f"there is no program {program} on PATH"
            yield Problem(key=key, what=what, remedy="install it, or write its path")
        return
    path = root / program
    if not path.is_file():
        remedy = "create it, or fix the path, which begins in the folder of pipeline.toml"
        yield Problem(key=key, what=f"there is no file {show_file(path)}", remedy=remedy)
    elif not os.access(path, os.X_OK):
        what = f"{show_file(path)} is not executable"
        yield Problem(key=key, what=what, remedy=commands.shell("chmod", "+x", str(path)))
