"""Which load balancers a scenario of the end-to-end tests runs behind: not each behind each kind.

A scenario runs behind both kinds at once, and behind one of them alone. Scenarios of one section of
a file fail alike, so every section runs behind each kind, and each kind sees every fault.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

ALONE = ("classic", "application")
EVERY = "--every-kind"
_SECTION = re.compile(r"^# --- (.+?) -+$")


def section_of(item: pytest.Function) -> str:
    """Return the file and the section of a scenario, as the comment above its function says."""
    lines, _ = inspect.findsource(item.function)
    above = lines[: item.function.__code__.co_firstlineno]
    titles = [found[1] for line in above if (found := _SECTION.match(line))]
    return f"{item.path.name}: {titles[-1] if titles else ''}"


def kind_of(item: pytest.Item) -> str:
    """Return the kind that a scenario runs behind alone, or an empty string."""
    spec: Any = getattr(item, "callspec", None)
    kinds: object = spec.params.get("kinds") if spec else None  # another test may name so anything
    return next((each for each in ALONE if kinds == (each,)), "")


def surplus(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the scenarios to leave out: of each section, every other one behind each kind."""
    alone: dict[tuple[str, str], list[pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and (kind := kind_of(item)):
            alone.setdefault((section_of(item), kind), []).append(item)
    for (_, kind), scenarios in alone.items():
        if len(scenarios) > 1:
            yield from scenarios[1 - ALONE.index(kind) :: 2]
