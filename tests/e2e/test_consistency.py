"""Deployments on a local cloud whose reads are up to ten seconds old, under load.

`make matrix CONSISTENCY=eventual:10` runs the matrix like this; this is a sample for every commit.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.matrix import DONE, INTERRUPTED, QUICK, Case, Sites, reset_after
from tests.e2e.project import wait_for
from tests.e2e.site import LONGEST, wait_for_exit
from tests.e2e.testbed import build_fast_testbed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(LONGEST)

KINDS = ("classic", "application")


@pytest.fixture(scope="module")
def stale_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("consistency")
    with build_fast_testbed(folder, consistency="eventual:10", seed=15) as built:
        yield Sites(testbed=built)


@pytest.fixture
def stale(stale_sites: Sites) -> Iterator[Case]:
    """A scenario in an environment that has a release in service, with stale reads."""
    with reset_after(stale_sites.testbed):
        yield Case(site=stale_sites.serving(KINDS))


@pytest.mark.long
def test_an_interrupt_right_after_blue_was_detached_loses_no_request(stale: Case) -> None:
    """The way back once believed a read of before the detachment, and detached green."""
    stale.configure(soak="1s", observe="10m")
    detached = stale.cloud.count("autoscaling", "DetachTrafficSources")
    with stale.under_load():
        process = stale.start()
        wait_for(process, "drain: started")
        while stale.cloud.count("autoscaling", "DetachTrafficSources") == detached:
            time.sleep(0.005)
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        result = wait_for_exit(process)
    assert result.document["phase"] in {"drain", "observe"}
    stale.assert_rolled_back(
        result, result.document["phase"], "interrupted by a signal", INTERRUPTED
    )


@pytest.mark.long
def test_a_promotion_and_the_rollback_right_after_it_lose_no_request(stale: Case) -> None:
    stale.site.configure(keep_previous="next", **QUICK)
    with stale.under_load():
        result = stale.promote_unloaded()
        stale.assert_result(result, DONE, outcome="promoted")
        result = stale.site.run("rollback", "--yes", "--wait")
    stale.assert_result(result, DONE, kind="rollback", outcome="promoted", release=stale.blue)
    stale.assert_unchanged()
