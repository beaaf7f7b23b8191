"""Replace methods of moto's classes, one decorator at each patch.

Import the modules of patches and call `apply` to put their patches in; `install` does both.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Undo = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """A method of a moto class, and the function that runs in its place.

    A `fact` is a property that the class lacks; its function takes the object alone.
    """

    owner: type
    name: str
    function: Callable[..., Any]
    is_fact: bool = False

    def replacement(self, context: object) -> Callable[..., Any]:
        """Return the function, with the context if its first parameter is named `context`."""
        takes_context = next(iter(inspect.signature(self.function).parameters)) == "context"
        return functools.partial(self.function, context) if takes_context else self.function


_registered: dict[str, list[Patch]] = defaultdict(list)


def patch(owner: type, *names: str) -> Callable[[Function], Function]:
    """Register a function that replaces methods of a moto class.

    It is called with moto's own method, or None if moto has none of that name, then with what
    the method is called with. If its first parameter is named `context`, it gets the `Context`
    of the cloud before these.
    """

    def register(function: Function) -> Function:
        _registered[function.__module__] += [
            Patch(owner=owner, name=name, function=function) for name in names
        ]
        return function

    return register


def fact(owner: type, key: str) -> Callable[[Function], Function]:
    """Register a function that gives objects of a moto class a key of AWS's answer.

    moto's serializer tries AWS's own name of a key before its own spelling of it.
    """

    def register(function: Function) -> Function:
        _registered[function.__module__].append(
            Patch(owner=owner, name=key, function=function, is_fact=True)
        )
        return function

    return register


def patches_of(*modules: ModuleType) -> list[Patch]:
    """Return the patches of modules, in the order of the modules."""
    return [found for module in modules for found in _registered[module.__name__]]


def apply(patches: Iterable[Patch], context: object = None) -> Undo:
    """Put patches in; return the function that takes them out again."""
    originals = []
    for each in patches:
        original = each.owner.__dict__.get(each.name)
        originals.append((each.owner, each.name, original))
        function = each.replacement(context)
        if each.is_fact:
            setattr(each.owner, each.name, property(function))
            continue
        if isinstance(original, property):
            getter = functools.partial(function, original.fget)
            replaced: Any = property(getter, original.fset)
        else:
            replaced = _method(original, function)
        setattr(each.owner, each.name, replaced)

    def undo() -> None:
        for owner, name, original in reversed(originals):
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    return undo


def _method(
    original: Callable[..., Any] | None, function: Callable[..., Any]
) -> Callable[..., Any]:
    @functools.wraps(original or function)
    def patched(self: object, *arguments: object, **named: object) -> object:
        return function(original, self, *arguments, **named)

    return patched


def cache_method_names() -> Undo:
    """Let moto list the methods of a class once instead of at every call, until undone."""
    responses: Any = importlib.import_module("moto.core.responses")
    original = responses.method_names_from_class
    responses.method_names_from_class = functools.cache(original)

    def undo() -> None:
        responses.method_names_from_class = original

    return undo
