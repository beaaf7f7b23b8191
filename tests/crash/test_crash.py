"""A sample of the crash runs that changes each day; `make crash` runs all of them."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.crash import report
from tests.crash.boundaries import STOP
from tests.crash.planning import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.case import Case
    from tests.crash.worker import Worker

KILLS, MOST = 2, 9
"""How many runs are killed, and how many are tried: some never reach their boundary."""
SAMPLES = (
    ("application", "promote", "recover"),
    ("pair", "promote+flip", "recover+flip"),
    ("application", "promote+members", "recover+members"),
    ("pair-rule", "promote+weight", "recover+weight"),
    ("pair-network", "promote+flip", "recover+flip"),
)
"""One of them each day: `make crash` runs every scenario behind every kind, on both stores."""


@pytest.mark.timeout(240)
def test_one_command_fixes_a_run_killed_anywhere_and_no_request_is_lost(
    worker: Worker, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    chance = random.Random(1)  # noqa: S311  no secret depends on it
    kind, *scenarios = SAMPLES[datetime.now(UTC).toordinal() % len(SAMPLES)]
    recorded = [worker.record(each, kind, "s3") for each in scenarios]
    fault, kills = sample(plan(recorded, chance, double=60), chance)
    cases, results = [fault], [worker.run(fault)]
    while sum(each.killed for each in results) < KILLS and len(results) < MOST:
        cases.append(kills.pop())
        results.append(worker.run(cases[-1]))
    figures = report.summary(recorded, cases, results, time.monotonic() - began)
    record_property(report.LAST_LINE, report.last_line(figures["all"]))
    bad = [report.violation(each) for each in results if each.violations]
    assert not bad, "\n".join(bad)
    assert figures["all"]["kills"] >= KILLS
    assert figures["all"]["requests"] > len(cases)


def sample(cases: list[Case], chance: random.Random) -> tuple[Case, list[Case]]:
    """Return a run with a fault, and those with a kill; a suspended process takes a minute."""
    kills = [each for each in cases if each.injection.kills]
    faults = [each for each in cases if not each.injection.kills and each.injection.moment != STOP]
    return chance.choice(faults), chance.sample(kills, len(kills))
