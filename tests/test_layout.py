"""The layout of the tests: helpers live in plain modules, never in a test module or a conftest."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.scheduling import SHARED, group_of

TESTS = Path(__file__).parent
ROOT = TESTS.parent
MODULES = sorted(
    path
    for folder in ("tests", "benchmarks", "tools")
    for path in (ROOT / folder).rglob("*.py")
    if ".terraform" not in path.parts
)


def imported(tree: ast.Module) -> set[str]:
    """Return the dotted names that a module imports, each with and without the imported object."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names |= {each.name for each in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                names |= {module, *(f"{module}.{each.name}" for each in node.names)}
            case ast.ImportFrom(module=module):
                names |= {f"tests.{module or ''}.{each.name}" for each in node.names}
            case _:
                pass
    return names


def is_test_module(name: str) -> bool:
    """Return True if a dotted name is a file of tests or of fixtures."""
    parts = name.split(".")
    path = TESTS.joinpath(*parts[1:]).with_suffix(".py")
    return parts[0] == "tests" and path.exists() and is_test_file(path)


def is_test_file(path: Path) -> bool:
    return path.name == "conftest.py" or path.name.startswith("test_")


def test_no_module_imports_a_test_module_or_a_conftest() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(filter(is_test_module, imported(tree_of(path))))
        for path in MODULES
    }
    assert {path: names for path, names in found.items() if names} == {}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_an_import_of_a_test_module_is_found() -> None:
    text = (
        "from tests import conftest\nfrom tests.test_layout import TESTS\nimport tests.conftest\n"
    )
    assert {each for each in imported(ast.parse(text)) if is_test_module(each)} == {
        "tests.conftest",
        "tests.test_layout",
    }


def test_no_folder_holds_more_modules_than_a_reader_can_survey() -> None:
    found: Counter[str] = Counter()
    for package in ("pipeline", "local_cloud"):
        for path in (ROOT / package).rglob("*.py"):
            found[str(path.parent.relative_to(ROOT))] += path.name != "__init__.py"
    limits = {
        name: 14 if name.startswith(("pipeline/core", "pipeline/adapters")) else 21
        for name in found
    }
    assert {name: count for name, count in found.items() if count > limits[name]} == {}


def test_no_module_has_more_than_400_lines() -> None:
    modules = (
        path for package in ("pipeline", "local_cloud") for path in (ROOT / package).rglob("*.py")
    )
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("beginning", [each for group in SHARED for each in group])
def test_tests_that_share_fixtures_exist_and_are_run_by_one_worker(beginning: str) -> None:
    path = ROOT / beginning
    files = sorted(path.parent.glob(f"{path.name}*")) if not path.is_dir() else [path]
    assert files
    assert group_of(beginning)
