from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment, Lease
from pipeline.core.state.lease import account_of, held, lost, seconds_left, span

NOW = datetime(2026, 11, 21, 12, 3, 12, tzinfo=UTC)
LEASE = Lease(
    owner=Runner(user="ann", host="laptop", pid=17),
    epoch=1,
    since="2026-11-21T12:00:00Z",
    expires="2026-11-21T12:03:53Z",
)
ENVIRONMENT = Environment(app="web", environment="production", account="1", region="x")


def test_a_lease_without_command_and_ci_run_is_told_in_one_line() -> None:
    assert account_of(LEASE, NOW) == (
        "held by ann@laptop (pid 17) since 2026-11-21T12:00:00Z, for 3 min 12 s; "
        "expires in 41 s unless renewed"
    )
    assert seconds_left(LEASE, NOW) == 41


def test_a_lease_that_expired_is_told_as_such() -> None:
    later = datetime(2026, 11, 21, 14, 8, 53, tzinfo=UTC)
    assert account_of(LEASE, later).endswith("; expired 2 h 05 min ago")
    assert seconds_left(LEASE, later) < 0


def test_who_waits_for_a_person_is_told_the_command_and_the_time() -> None:
    assert held(ENVIRONMENT, LEASE, NOW).remedy == (
        "ami-pipeline status -e production; if that run is dead, run the command again in 41 s"
    )


def test_who_lost_the_lease_is_told_that_it_does_nothing_more() -> None:
    error = lost(ENVIRONMENT, "it was taken away")
    assert error.exit_code == 6
    assert error.what == "this run held it and lost it: it was taken away\nit changes nothing more"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_length_of_time_is_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
