from __future__ import annotations

from datetime import UTC, datetime

from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment, Lease
from pipeline.core.state.lease import describe_lease, held_error, lost_error, seconds_left

NOW = datetime(2026, 11, 21, 12, 3, 12, tzinfo=UTC)
LEASE = Lease(
    owner=Runner(user="ann", host="laptop", pid=17),
    epoch=1,
    since="2026-11-21T12:00:00Z",
    expires="2026-11-21T12:03:53Z",
)
ENVIRONMENT = Environment(app="web", environment="production", account="1", region="x")


def test_a_lease_without_command_and_ci_job_is_one_line() -> None:
    assert describe_lease(LEASE, NOW) == (
        "held by ann@laptop (pid 17) since 12:00:00+00:00, for 3m 12s; "
        "expires in 41s unless renewed"
    )
    assert seconds_left(LEASE, NOW) == 41


def test_an_expired_lease_says_so() -> None:
    later = datetime(2026, 11, 21, 14, 8, 53, tzinfo=UTC)
    assert describe_lease(LEASE, later).endswith("; expired 2h 05m ago")
    assert seconds_left(LEASE, later) < 0


def test_the_error_of_a_held_lease_says_when_to_retry() -> None:
    assert held_error(ENVIRONMENT, LEASE, NOW).remedy == (
        "ami-pipeline status -e production; if that run has died, run this command again in 41s"
    )


def test_the_error_of_a_lost_lease_says_that_the_run_has_stopped() -> None:
    error = lost_error(ENVIRONMENT, "it was taken away")
    assert error.exit_code == 6
    assert error.what == "this run lost its lease and has stopped: it was taken away"
