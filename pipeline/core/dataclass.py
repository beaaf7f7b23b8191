"""Define dataclasses whose methods are generated when they are first used.

The decorator of the standard library compiles up to seven methods for each class as its module is
imported. A command imports some 270 of these classes and creates instances of a third, so this one
takes a tenth of the time. It means the same otherwise: fields, `replace`, `asdict` and pickling are
those of the standard library, and mypy reads its decorator.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import partial
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - mypy takes it as exported
else:

    def dataclass(cls=None, /, **how):  # noqa: ANN001, ANN003, ANN201 - see TYPE_CHECKING
        """Return a class with fields; takes `frozen`, `init`, `kw_only` and `slots`."""
        return partial(_made, **how) if cls is None else _made(cls, **how)


__all__ = ["dataclass"]


def _made(
    cls: type,
    *,
    frozen: bool = False,
    init: bool = True,
    kw_only: bool = False,
    order: bool = False,
    slots: bool = False,
) -> type:
    own = {*cls.__dict__}
    base = next((each for each in cls.__mro__[1:] if dataclasses.is_dataclass(each)), None)
    made: type = dataclasses.dataclass(
        init=False,
        repr=False,
        eq=False,
        kw_only=kw_only,
        slots=slots,
        frozen=base is not None and _params(base).frozen,  # it must be as its base says it is
    )(cls)
    _params(made).frozen = frozen
    key = _key(tuple(each.name for each in fields(made) if each.compare))
    methods: dict[str, Any] = {"__repr__": _shown, "__eq__": _comparing(key, operator.eq)}
    methods["__hash__"] = (lambda self: hash(key(self))) if frozen else None
    if init:
        methods["__init__"] = _first(made)
    if order:
        methods |= {f"__{each.__name__}__": _comparing(key, each) for each in _ORDER}
    if frozen:
        methods |= _frozen(made)
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made


_ORDER = (operator.lt, operator.le, operator.gt, operator.ge)


def _params(cls: Any) -> Any:
    return cls.__dataclass_params__


def _first(cls: Any) -> Callable[..., None]:
    """Return an `__init__` that replaces itself by the real one."""

    def initialize(self: Any, *given: Any, **named: Any) -> None:
        cls.__init__ = _initializer(cls)
        cls.__init__(self, *given, **named)

    return initialize


def _initializer(cls: Any) -> Any:
    """Return a compiled `__init__` of the fields of a class."""
    known: dict[str, Any] = {"_put": object.__setattr__}
    assignment = "_put(self, {0!r}, {1})" if _params(cls).frozen else "self.{0} = {1}"
    ordinary, keywords, body = ["self"], list[str](), list[str]()
    for each in fields(cls):
        parameter, value = _parameter(each, known)
        if parameter:
            (keywords if each.kw_only else ordinary).append(parameter)
        if value:
            body.append(assignment.format(each.name, value))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    head = ", ".join([*ordinary, *(["*", *keywords] if keywords else [])])
    text = f"def __init__({head}):\n " + "\n ".join(body or ["pass"])
    exec(text, known)  # noqa: S102 - the names of fields are identifiers of our code
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _parameter(each: Field[Any], known: dict[str, Any]) -> tuple[str, str]:
    """Return a field's parameter and value, empty without; its default becomes known."""
    name, default = each.name, f"_default_{each.name}"
    if each.default_factory is not MISSING:
        known[default], known["_MISSING"] = each.default_factory, MISSING
        made = f"{default}() if {name} is _MISSING else {name}"
        return (f"{name}=_MISSING", made) if each.init else ("", f"{default}()")
    if each.default is MISSING:
        return (name, name) if each.init else ("", "")
    known[default] = each.default
    return (f"{name}={default}", name) if each.init else ("", default)


@recursive_repr("...")
def _shown(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _key(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what returns the values of these fields of an instance."""
    if len(names) > 1:
        return attrgetter(*names)
    one = attrgetter(*names) if names else None
    return lambda self: (one(self),) if one else ()


def _comparing(key: Callable[[Any], Any], compare: Callable[[Any, Any], Any]) -> Any:
    def compared(self: Any, other: Any) -> Any:
        return compare(key(self), key(other)) if type(self) is type(other) else NotImplemented

    return compared


def _frozen(cls: Any) -> dict[str, Any]:
    """Return the methods of an instance that does not change."""
    names = {each.name for each in fields(cls)}

    def assign(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    found: dict[str, Any] = {"__setattr__": assign, "__delattr__": delete}
    if "__slots__" in cls.__dict__:
        found |= {"__getstate__": _state, "__setstate__": _restore}
    return found


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
