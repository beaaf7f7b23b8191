"""A fixed sample of the crash runs; `make crash` runs all of them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.crash import report
from tests.crash.planning import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.worker import Worker

RUNS = 4
SCENARIOS = (("promote", "application", "s3"), ("recover", "application", "s3"))
"""`make crash` runs every scenario behind both kinds of load balancer and on both stores."""


@pytest.mark.timeout(240)
def test_one_command_fixes_a_run_killed_anywhere_and_no_request_is_lost(
    worker: Worker, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    chance = random.Random(1)  # noqa: S311  no secret depends on it
    recorded = [worker.record(*scenario) for scenario in SCENARIOS]
    cases = chance.sample(plan(recorded, chance, double=60), RUNS)
    cases.sort(key=lambda each: (each.kind, each.scenario))
    results = [worker.run(each) for each in cases]
    figures = report.summary(recorded, cases, results, time.monotonic() - began)
    record_property(report.LAST_LINE, report.last_line(figures["all"]))
    bad = [report.violation(each) for each in results if each.violations]
    assert not bad, "\n".join(bad)
    assert figures["all"]["kills"] >= RUNS / 3
    assert figures["all"]["requests"] > RUNS
