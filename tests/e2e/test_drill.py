"""A drill with the real tools under load: no request fails or reaches the release that it tries."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST, Site, wait_for_exit
from tools.load import load

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]
RATE = 100.0
COMMAND = "rollback drill"


def drill_of(site: Site) -> Any:
    return site.status()["drill"]


def answered(site: Site) -> Any:
    return load(f"{site.balancers[0].url}/", RATE, versions=True)


@pytest.mark.parametrize("kind", ["application", "pair"])
def test_a_drill_proves_the_rollback_and_leaves_what_serves_alone(
    kind: str, testbed: CloudTestbed
) -> None:
    how = {"strategy": "flip"} if kind == "pair" else {}
    site = testbed.site(f"drill-{kind}", kind, keep_previous="none", **how)
    for image in (testbed.old, testbed.new):
        site.ensure_serving(image)
    before, target = site.state(), site.status()["rollback"]["release"]
    pair = site.balancers[0].pair
    weights = pair.weights(testbed.cloud) if pair else []

    with answered(site) as running:
        killed = site.begin(COMMAND, "terraform: creating aws_autoscaling_group")
        killed.kill()
        wait_for_exit(killed)
        recovered = site.run("recover")
        after_kill = drill_of(site)
        stopped = site.begin(COMMAND, "verify: started")
        stopped.send_signal(signal.SIGINT)
        interrupted = wait_for_exit(stopped)
        proven = site.run(COMMAND)

    assert (recovered.code, recovered.document["outcome"]) == (0, "rolled back"), recovered.err
    assert (after_kill["proven"], after_kill["reason"]) == (False, "interrupted")
    assert interrupted.code in {0, 130}, interrupted.err
    assert proven.code == 0, proven.err
    assert (proven.document["outcome"], proven.document["serves"]) == ("proven", site.serving)
    assert running.failures[:3] == []
    assert {each.version for each in running.results} == {"2.0.0"}
    assert len(running.results) > RATE
    assert site.state() == before
    assert (pair.weights(testbed.cloud) if pair else []) == weights
    found = drill_of(site)
    assert (found["release"], found["proven"], found["current"]) == (target, True, True)
    assert 0 < found["seconds"] < proven.document["seconds"]
    rolled_back = site.run("rollback", "--yes", "--wait")
    assert (rolled_back.code, rolled_back.document["ami_id"]) == (0, testbed.old), rolled_back.err


def test_a_warm_group_stays_warm_and_the_rollback_takes_it(testbed: CloudTestbed) -> None:
    site = testbed.site("drill-warm", "classic", keep_previous="next")
    for image in (testbed.old, testbed.new):
        site.ensure_serving(image)
    before, warm = site.state(), site.status()["rollback"]["release"]
    members = site.members(warm)
    with site.under_load(RATE):
        proven = site.run(COMMAND)
    assert proven.code == 0, proven.err
    assert (proven.document["release"], site.members(warm)) == (warm, members)
    assert site.state() == before
    assert drill_of(site)["proven"] is True
    rolled_back = site.run("rollback", "--yes", "--wait")
    assert (rolled_back.code, rolled_back.document["release"]) == (0, warm), rolled_back.err
