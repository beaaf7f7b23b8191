"""Fixtures of the end-to-end tests: clouds, projects, test beds and environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import running_cloud
from tests.e2e.matrix import Case, Sites, reset_after
from tests.e2e.project import new_project
from tests.e2e.testbed import build_fast_testbed, build_testbed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.project import Project
    from tests.e2e.testbed import CloudTestbed
    from tests.running_cloud import Cloud


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    """The test bed with real Terraform; pytest-xdist gives all its tests to one worker."""
    with build_testbed(tmp_path_factory.mktemp("deployments")) as built:
        yield built


BOTH = ("classic", "application")
RARE = (pytest.mark.rare, pytest.mark.long)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(BOTH, id="both"),
        pytest.param(BOTH[:1], id="classic", marks=RARE),
        pytest.param(BOTH[1:], id="application", marks=RARE),
    ],
)
def kinds(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The kinds of load balancers of a matrix scenario."""
    of: tuple[str, ...] = request.param
    return of


@pytest.fixture(scope="session")
def sites(
    request: pytest.FixtureRequest, kinds: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    """Environments for the matrix, on the Terraform stand-in unless `--terraform=real` is given."""
    if kinds == BOTH and request.config.getoption("--terraform") == "real":
        yield Sites(testbed=request.getfixturevalue("testbed"))
        return
    with build_fast_testbed(tmp_path_factory.mktemp("matrix")) as built:
        yield Sites(testbed=built)


@pytest.fixture
def case(sites: Sites, kinds: tuple[str, ...]) -> Iterator[Case]:
    """A scenario in an environment that has a release in service."""
    with reset_after(sites.testbed):
        yield Case(site=sites.serving(kinds))


@pytest.fixture
def first(sites: Sites, kinds: tuple[str, ...]) -> Iterator[Case]:
    """A scenario in an environment without a release."""
    with reset_after(sites.testbed):
        yield Case(site=sites.empty(kinds))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A local cloud of this test's own, so that all leftovers in it are this test's."""
    with running_cloud.a_cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, cloud: Cloud) -> Project:
    return new_project(tmp_path / "project", cloud)
