"""Dataclasses whose methods are made on first use mean what those of the standard library mean."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from pipeline.core.dataclass import dataclass

Maker = Callable[..., Any]
MAKERS = [
    pytest.param(dataclasses.dataclass, id="standard library"),
    pytest.param(dataclass, id="own"),
]


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    maker: Maker = request.param
    return maker


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A value at module level, which pickle finds."""

    name: str
    sizes: tuple[int, ...] = ()
    tags: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Base:
    """A value that others extend."""

    name: str


@dataclass(frozen=True, slots=True)
class Extended(Base):
    """A value with a field more."""

    number: int = 1


def test_an_instance_has_its_fields_and_their_defaults(make: Maker) -> None:
    class Plain:
        name: str
        sizes: tuple[int, ...] = (1,)
        found: list[str] = field(default_factory=list)
        count: int = field(default=3, init=False)
        made: list[int] = field(default_factory=lambda: [7], init=False)

    kind = make(kw_only=True)(Plain)
    one, other = kind(name="a"), kind(name="a", sizes=(), found=["x"])
    assert (one.name, one.sizes, one.found, one.count, one.made) == ("a", (1,), [], 3, [7])
    assert (other.sizes, other.found) == ((), ["x"])
    assert kind(name="b").found is not one.found
    one.name = "c"
    assert one == kind(name="c")
    assert one != other
    with pytest.raises(TypeError):
        hash(one)
    for wrong in ({}, {"name": "a", "more": 1}):
        with pytest.raises(TypeError):
            kind(**wrong)
    with pytest.raises(TypeError):
        kind("a")


def test_a_frozen_instance_does_not_change(make: Maker) -> None:
    class Value:
        a: int
        b: str = "x"

    for slots in (True, False):
        body = {name: vars(Value)[name] for name in ("__annotations__", "__module__", "b")}
        kind = make(frozen=True, slots=slots)(type("Value", (), body))
        one = kind(1)
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
            one.a = 2
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'b'"):
            del one.b
        # With slots, Python 3.11's own raises TypeError for an unknown name (python/cpython#90562).
        with pytest.raises((FrozenInstanceError, TypeError)):
            one.unknown = 2
        assert one == kind(1)
        assert one != kind(2)
        assert one != (1, "x")
        assert len({one, kind(1), kind(a=1, b="y")}) == 2
        assert replace(one, b="z") == kind(1, "z")
        assert repr(one).endswith("(a=1, b='x')")
        assert hasattr(one, "__dict__") is not slots


def test_what_a_class_defines_itself_is_kept(make: Maker) -> None:
    class Named:
        name: str
        seen: list[str] = field(default_factory=list, repr=False)

        def __post_init__(self) -> None:
            self.seen.append(self.name)

        def __repr__(self) -> str:
            return f"<{self.name}>"

        @cached_property
        def twice(self) -> str:
            return self.name * 2

    kind = make(frozen=True)(Named)
    assert (kind("a").seen, repr(kind("a")), kind("a").twice) == (["a"], "<a>", "aa")

    class Given:
        names: tuple[str, ...]

        def __init__(self, *names: str) -> None:
            object.__setattr__(self, "names", names)

    assert make(frozen=True, init=False)(Given)("a", "b").names == ("a", "b")


def test_instances_with_an_order_sort_by_their_fields(make: Maker) -> None:
    class Pair:
        a: int
        b: str

    kind = make(frozen=True, order=True)(Pair)
    assert min(kind(2, "a"), kind(1, "b"), kind(1, "a")) == kind(1, "a")
    assert kind(1, "a") <= kind(1, "a") < kind(1, "b")
    with pytest.raises(TypeError):
        kind(1, "a") < (1, "b")  # noqa: B015 - the comparison itself raises


def test_a_class_inherits_fields_and_an_ordinary_dataclass_may_inherit_it() -> None:
    assert [each.name for each in fields(Extended)] == ["name", "number"]
    assert Extended("a") == Extended(name="a", number=1)
    assert Extended("a") != Base("a")
    with pytest.raises(FrozenInstanceError):
        Extended("a").name = "b"  # type: ignore[misc]  # this is the test

    @dataclasses.dataclass(frozen=True)
    class Fake(Base):
        more: int = 2

    assert Fake("a").more == 2


def test_an_instance_can_be_copied_pickled_and_converted() -> None:
    one = Release(name="a", sizes=(1, 2), tags={"x": "y"})
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):  # noqa: S301 - our own
        assert (other, other.tags) == (one, one.tags)
    assert asdict(one) == {"name": "a", "sizes": (1, 2), "tags": {"x": "y"}}
    assert Release(name="a", sizes=(1, 2)) == one  # tags are not compared


def test_no_method_is_compiled_before_the_first_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(dataclasses, "_create_fn", lambda name, *_, **__: compiled.append(name))

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Late:
        name: str
        other: int = 0

    assert compiled == []
    assert list(inspect.signature(Late.__init__).parameters) == ["self", "given", "named"]
    assert Late(name="a").other == 0
    assert list(inspect.signature(Late.__init__).parameters) == ["self", "name", "other"]
