"""Scenarios are left out so that each section still runs behind each kind of load balancer."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.e2e import combinations

pytest_plugins = ("pytester",)
KINDS = ("both", *combinations.ALONE)
FILE = """
import pytest

KINDS = (("classic", "application"), ("classic",), ("application",))

@pytest.fixture(params=KINDS, ids=["both", "classic", "application"])
def kinds(request):
    return request.param

# --- signals ----------

def test_one(kinds): pass
def test_two(kinds): pass
def test_three(kinds): pass

# --- alarms -----------

@pytest.mark.parametrize("phase", ["soak", "observe"])
def test_four(kinds, phase): pass

# --- hooks ------------

def test_alone(kinds): pass
"""


class LeavesOut:
    """The plugin, which remembers what is left in each section."""

    def __init__(self) -> None:
        self.left: list[tuple[str, str, str]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        left_out = set(combinations.surplus(items))
        for item in items:
            if item not in left_out:
                assert isinstance(item, pytest.Function)
                kind = next(each for each in KINDS if re.search(rf"\b{each}\b", item.name))
                name = item.name.replace(f"{kind}-", "").replace(f"[{kind}]", "")
                self.left.append((combinations.section_of(item), name, kind))


def test_each_section_runs_behind_each_kind_and_each_scenario_behind_both_and_one(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_sample=FILE)
    plugin = LeavesOut()
    pytester.inline_run("-p", "no:cacheprovider", "--collect-only", plugins=[plugin])
    sections = [f"test_sample.py: {each}" for each in ("signals", "alarms", "hooks")]
    assert {(one, kind) for one, _, kind in plugin.left} == set(itertools.product(sections, KINDS))
    behind: dict[str, list[str]] = {}
    for _, name, kind in plugin.left:
        behind.setdefault(name, []).append(kind)
    alone = behind.pop("test_alone")
    assert sorted(alone) == sorted(KINDS)
    assert len(behind) == 5
    assert {(len(kinds), kinds[0]) for kinds in behind.values()} == {(2, "both")}
