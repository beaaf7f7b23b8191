"""Clouds that tests share end as soon as the next test uses none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import scheduling

if TYPE_CHECKING:
    import pytest

pytest_plugins = ("pytester",)
TESTS = """
import pytest

LIVING = []

@pytest.fixture(scope="session")
def testbed():
    LIVING.append("testbed")
    yield
    LIVING.remove("testbed")

@pytest.fixture(scope="module")
def site(testbed):
    LIVING.append("site")
    yield
    assert LIVING == ["testbed", "site"]
    LIVING.remove("site")

def test_first(site):
    assert LIVING == ["testbed", "site"]

def test_second(site):
    assert LIVING == ["testbed", "site"]

def test_without():
    assert LIVING == []

def test_again(site):
    assert LIVING == ["testbed", "site"]
"""


def test_a_shared_cloud_ends_with_its_last_test_and_is_made_again_for_a_later_one(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(TESTS)
    ran = pytester.inline_run("-p", "no:cacheprovider", plugins=[scheduling.SharedClouds()])
    ran.assertoutcome(passed=4)


def test_tests_of_one_file_are_run_together_only_if_they_share_a_fixture() -> None:
    assert scheduling.group_of("tests/e2e/test_deploy_returns.py") == "tests/e2e/test_deploy"
    assert scheduling.group_of("tests/e2e/test_bake.py") == ""
