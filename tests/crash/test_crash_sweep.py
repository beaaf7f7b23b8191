"""A fixed sample of the sweep, and a network that is down in each phase; `make sweep` runs all."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from tests.crash.record import RunRecord
from tests.sweep.case import PROMOTE, ROLLBACK, cases_of
from tests.sweep.documented import differences
from tests.sweep.own_calls import KIND, STORE, OwnCalls
from tests.sweep.worker import SweepWorker

if TYPE_CHECKING:
    from tests.crash.worker import Worker

CASES = 1
"""Cases of each command; `make sweep` runs every fault of every action."""
DOWN = 5
"""Seconds without a network."""
PHASES = ("launch", "verify", "attach", "soak", "drain", "observe", "retire")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_call_that_fails_once_neither_ends_nor_disturbs_a_deployment(worker: Worker) -> None:
    sweep, chance = SweepWorker(fast=worker), random.Random(2)  # noqa: S311  no secret
    recorded = {scenario: sweep.recorded(scenario) for scenario in (PROMOTE, ROLLBACK)}
    assert list(differences(itertools.chain(*recorded.values()))) == []
    for scenario, actions in recorded.items():
        for case in chance.sample(cases_of(scenario, actions), CASES):
            result = sweep.run(case)
            assert result.violations == (), (case.name, result.output)
            assert (case.name, result.code, result.failed) == (case.name, 0, 0)


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("phase", PHASES)
def test_a_network_that_is_down_for_five_seconds_ends_no_deployment(
    worker: Worker, phase: str
) -> None:
    """The traffic goes on: the outage is between this machine and AWS."""
    with worker.case_runner(KIND, STORE) as found:
        environment = found.environment
        words = OwnCalls(environment=environment).prepare(PROMOTE)
        environment.configure(
            keep_previous="next", hooks=[{"at": "before-traffic", "command": ["sleep", "1"]}]
        )
        record = RunRecord.start(environment)
        running = environment.begin(*words)
        assert environment.reaches(phase)
        client = environment.site.testbed.cloud.client
        client.fault(kind="outage", seconds=DOWN)
        done = running.finish()
        assert done.code == 0, done.err
        assert done.document["outcome"] == "promoted"
        assert client.faults() == []
        after = environment.settled()
        assert after.serving != record.before.serving
        assert environment.leftovers(after, idle=False) == []
        assert record.finish(phase).violations == ()
