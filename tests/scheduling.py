"""Which tests one worker of pytest-xdist runs together, who collects first, and when clouds end."""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.fixtures import SubRequest

SHARED = (
    ("tests/e2e/test_deploy",),
    ("tests/crash/test_crash",),
    ("tests/e2e/test_resources.py",),
    ("tests/terraform/",),
    ("tests/e2e/test_matrix",),
    ("tests/known_issues/",),
    ("tests/e2e/test_bad_states.py",),
    ("tests/e2e/test_lost.py",),
    ("tests/e2e/test_ownership.py",),
    ("tests/e2e/test_recovery_cases.py",),
    (
        "tests/adapters/aws/preflight/test_permission_probes.py",
        "tests/adapters/aws/test_alarms.py",
        "tests/adapters/aws/balancing/test_balancers.py",
        "tests/adapters/aws/test_groups.py",
        "tests/adapters/aws/test_metrics.py",
    ),
    ("tests/adapters/aws/preflight/test_reader.py",),
    ("tests/core/test_remedies.py",),
    ("tests/local_cloud/instances/test_rootfs.py",),
    ("tests/local_cloud/patches/test_autoscaling.py",),
    ("tests/local_cloud/patches/test_run_command.py",),
    ("tests/local_cloud/permissions/test_role_commands.py",),
    ("tests/local_cloud/test_metrics.py",),
)
"""Groups of files and folders, by their beginnings, whose tests share expensive fixtures.

They run in this order, before all other tests: the longest first.
"""

CLOUDS = frozenset({"sites", "testbed", "worker", "service"})
"""Fixtures with a cloud that serves: an idle one takes a part of a processor until it ends."""


def turn_of(item: pytest.Item) -> int:
    """Return when a test runs: a worker that begins a long group last would end alone."""
    names = [group[0] for group in SHARED]
    group = group_of(item.nodeid.partition("::")[0])
    return names.index(group) if group else len(names)


@functools.cache
def group_of(path: str) -> str:
    """Return the group of a test file, or nothing if any worker may run each of its tests."""
    return next((group[0] for group in SHARED if path.startswith(group)), "")


class SharedScheduling(LoadScopeScheduling):
    """Schedules single tests on any free worker, but each of `SHARED` on one worker as a whole.

    The mark `xdist_group` would do this, but pytest-xdist 3.8 does not see it with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget what has ended: pytest-xdist counts all of it again after each test."""
        super().mark_test_complete(node, item_index, duration)
        units = self.assigned_work[node]
        for scope in [scope for scope, unit in units.items() if all(unit.values())]:
            del units[scope]


class FirstCollector:
    """Lets one worker collect alone if no test is compiled yet: it compiles them for all others.

    pytest rewrites the assertions of each test module, which takes longer than all the rest of a
    collection, and workers that begin together find nothing that another one has written.
    """

    LONGEST = 120.0

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Iterator[None]:
        worker = getattr(session.config, "workerinput", None)
        if worker is None or is_compiled():
            return (yield)
        done = Path(tempfile.gettempdir()) / f"ami-pipeline-collected-{worker['testrunuid']}"
        if worker["workerid"] != "gw0":
            wait_for(done, self.LONGEST)
            return (yield)
        session.config.add_cleanup(lambda: done.unlink(missing_ok=True))
        try:
            return (yield)
        finally:
            done.touch()


def is_compiled() -> bool:
    """Return True if pytest has compiled tests of this checkout before."""
    return any(Path(__file__).with_name("__pycache__").glob("test_*-pytest-*.pyc"))


def wait_for(path: Path, seconds: float) -> None:
    """Return once a file exists, or when time is up."""
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


class SharedClouds:
    """A plugin that ends clouds as soon as the next test of this worker uses none of them."""

    def __init__(self) -> None:
        self._running: list[tuple[pytest.FixtureDef[Any], SubRequest]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: SubRequest) -> None:
        if fixturedef.scope == "session" and fixturedef.argname in CLOUDS:
            self._running.append((fixturedef, request))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        while self._running and not uses_a_cloud(nextitem):
            fixture, request = self._running.pop()
            fixture.finish(request)


def uses_a_cloud(item: pytest.Item | None) -> bool:
    """Tell whether a test uses a cloud that tests share."""
    return isinstance(item, pytest.Function) and not CLOUDS.isdisjoint(item.fixturenames)
