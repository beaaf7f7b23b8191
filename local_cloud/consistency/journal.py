"""Keep the past states of a graph of mutable objects, and put one back for the length of a read.

A walk compares what each object holds with what it held at the walk before, and notes what it held
then. To go back, the objects that changed since get their earlier contents, in place, so that every
reference stays right; at the end they get their present contents again. The past is that of the
whole graph, so a read that was never made before is answered from it as well.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Content = Any
"""A shallow copy of what an object holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How to read and replace what objects of a class hold."""

    content: Callable[[Any], Content]
    held: Callable[[Content], Iterable[Any]]
    replace: Callable[[Any, Content], None]


def _replace_members(holder: Any, content: Content) -> None:
    holder.clear()
    holder.update(content)


def _replace_items(holder: Any, content: Content) -> None:
    holder[:] = content


def _replace_attributes(holder: Any, content: Content) -> None:
    attributes = vars(holder)
    attributes.clear()
    attributes.update(content)


def _no_change(_holder: Any, _content: Content) -> None:
    """Leave a tuple as it is: only what it holds can change."""


MAPPING = Kind(content=dict, held=dict.values, replace=_replace_members)
SEQUENCE = Kind(content=list, held=iter, replace=_replace_items)
SET = Kind(content=set, held=iter, replace=_replace_members)
FIXED = Kind(content=lambda holder: holder, held=iter, replace=_no_change)
OBJECT = Kind(
    content=lambda holder: dict(vars(holder)), held=dict.values, replace=_replace_attributes
)


def kind_of(class_: type, belongs: Callable[[type], bool]) -> Kind | None:
    """Return the kind of a class, or None if its objects hold nothing that is followed."""
    for builtin, kind in ((dict, MAPPING), (list, SEQUENCE), (set, SET), (tuple, FIXED)):
        if issubclass(class_, builtin):
            return kind
    return OBJECT if class_.__dictoffset__ and belongs(class_) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What an object held until a walk found it changed."""

    at: float
    holder: Any
    kind: Kind
    before: Content


class Journal:
    """The changes of all objects that can be reached from the roots, as far back as wanted."""

    def __init__(
        self,
        roots: Callable[[], Iterable[object]],
        belongs: Callable[[type], bool],
        static: Callable[[object], bool] = lambda _holder: False,
    ) -> None:
        self._roots = roots
        self._belongs = belongs
        self._static = static
        self._kinds: dict[type, Kind | None] = {}
        self._known: dict[int, tuple[Any, Content]] = {}
        self._left_out: dict[int, Any] = {}
        self._changes: deque[Change] = deque()

    def record(self, now: float, keep: float) -> None:
        """Note what has changed since the last walk; forget changes older than `keep` seconds."""
        known: dict[int, tuple[Any, Content]] = {}
        stack = [*self._roots()]
        before, kinds, left_out = self._known, self._kinds, self._left_out
        while stack:
            holder = stack.pop()
            class_ = type(holder)
            if class_ not in kinds:
                kinds[class_] = kind_of(class_, self._belongs)
            kind = kinds[class_]
            if kind is None or (key := id(holder)) in known or key in left_out:
                continue
            last = before.get(key)
            if last is None and kind is OBJECT and self._static(holder):
                left_out[key] = holder
                continue
            content = kind.content(holder)
            known[key] = (holder, content)
            if last is not None and last[1] != content:
                change = Change(at=now, holder=holder, kind=kind, before=last[1])
                self._changes.append(change)
            stack.extend(kind.held(content))
        self._known = known
        while self._changes and self._changes[0].at < now - keep:
            self._changes.popleft()

    def forget(self) -> None:
        """Forget everything: the next walk begins a new past."""
        self._known = {}
        self._changes.clear()

    @contextlib.contextmanager
    def as_of(self, moment: float) -> Iterator[None]:
        """Put back the state of a moment for a block, and the present state after it."""
        past: dict[int, Change] = {}
        for change in reversed(self._changes):
            if change.at <= moment:
                break
            past[id(change.holder)] = change
        present = [(c, c.kind.content(c.holder)) for c in past.values()]
        try:
            for change in past.values():
                change.kind.replace(change.holder, change.before)
            yield
        finally:
            for change, content in present:
                change.kind.replace(change.holder, content)
