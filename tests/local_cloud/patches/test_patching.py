"""Test the decorator of patches, and that they come out again."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_cloud import patches
from local_cloud.patches import install
from local_cloud.patches.patching import apply, patch, patches_of


class Model:
    """A class as moto has them."""

    def name(self) -> str:
        return "moto"

    @property
    def state(self) -> str:
        return "running"


@patch(Model, "name")
def prefixed(original: Callable[..., str], model: Model, prefix: str = "not ") -> str:
    return prefix + original(model)


@patch(Model, "added", "added_too")
def added(context: str, original: None, _model: Model) -> tuple[str, None]:
    return context, original


@patch(Model, "state")
def state(original: Callable[..., str], model: Model) -> str:
    return original(model).upper()


@patch(Model, "name")
def louder(original: Callable[..., str], model: Model) -> str:
    return original(model) + "!"


@pytest.fixture
def model() -> Iterator[Any]:
    undo = apply(patches_of(sys.modules[__name__]), "the context")
    yield Model()
    undo()


def test_a_patch_gets_the_original_method(model: Any) -> None:
    assert model.name() == "not moto!"
    assert Model.name.__name__ == "name"


def test_a_patch_may_add_methods_and_gets_the_context_if_it_names_it(model: Any) -> None:
    assert model.added() == model.added_too() == ("the context", None)


def test_a_property_stays_a_property(model: Any) -> None:
    assert model.state == "RUNNING"


@pytest.mark.usefixtures("model")
def test_the_patches_of_a_module_are_in_the_order_of_its_functions() -> None:
    functions = [each.function.__name__ for each in patches_of(sys.modules[__name__])]
    assert functions == ["prefixed", "added", "added", "state", "louder"]


def test_undo_restores_the_class() -> None:
    before = dict(Model.__dict__)
    undo = apply(patches_of(sys.modules[__name__]))
    assert dict(Model.__dict__) != before
    undo()
    assert dict(Model.__dict__) == before


def test_every_module_with_patches_is_installed() -> None:
    found = pkgutil.walk_packages(patches.__path__, "local_cloud.patches.")
    modules = [importlib.import_module(each.name) for each in found]
    with_patches = {module.__name__ for module in modules if patches_of(module)}
    assert with_patches == {module.__name__ for module in install.MODULES}


def test_every_patch_comes_out_again() -> None:
    found = install.every()
    before = {(each.owner, each.name): each.owner.__dict__.get(each.name) for each in found}
    apply(found)()
    after = {(each.owner, each.name): each.owner.__dict__.get(each.name) for each in found}
    assert after == before
