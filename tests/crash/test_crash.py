"""A sample of the crash runs, always the same one: all of them are `make crash`."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.crash import report
from tests.crash.planning import planned
from tests.crash.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNS = 8
STAGES = (("promote", "application", "s3"), ("recover", "application", "s3"))
"""`make crash` plays every scenario behind both kinds of load balancer and on both stores."""


@pytest.fixture(scope="module")
def theatre() -> Iterator[Worker]:
    built = Worker()
    yield built
    built.close()


@pytest.mark.timeout(240)
def test_whatever_a_run_dies_at_one_command_mends_it_and_no_request_is_lost(
    theatre: Worker, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    chance = random.Random(1)  # noqa: S311  no secret depends on it
    recorded = [theatre.record(*stage) for stage in STAGES]
    plays = chance.sample(planned(recorded, chance, double=60), RUNS)
    plays.sort(key=lambda each: (each.kind, each.scenario))
    played = [theatre.play(each) for each in plays]
    figures = report.summary(recorded, plays, played, time.monotonic() - began)
    record_property(report.LAST_LINE, report.last_line(figures["all"]))
    bad = [report.violation(each) for each in played if each.violations]
    assert not bad, "\n".join(bad)
    assert figures["all"]["kills"] >= RUNS / 3
    assert figures["all"]["requests"] > RUNS
