"""Describe an environment's lease: its holder, its expiry and the reader's next command.

Separate from the adapter that takes and renews it, because several commands say the same.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core import commands
from pipeline.core.errors import LeaseHeldError
from pipeline.core.state.environment import Environment, Lease
from pipeline.core.times import format_duration, format_time


def seconds_left(lease: Lease, now: datetime) -> float:
    """Return the seconds until a lease expires unless renewed; negative once it has expired."""
    return (datetime.fromisoformat(lease.expires) - now).total_seconds()


def format_holder(lease: Lease) -> str:
    """Return who holds it, in one line: `ann@laptop (pid 4242)`."""
    return f"{lease.owner.user}@{lease.owner.host} (pid {lease.owner.pid})"


def format_age(seconds: float) -> str:
    """Return a duration in whole seconds, at least 0."""
    return format_duration(max(round(seconds), 0))


def describe_lease(lease: Lease, now: datetime) -> str:
    """Return the lines about a held lease: its holder, its age, its expiry and its run."""
    age = (now - datetime.fromisoformat(lease.since)).total_seconds()
    left = seconds_left(lease, now)
    end = f"expires in {format_age(left)} unless renewed"
    if left <= 0:
        end = f"expired {format_age(-left)} ago"
    since = format_time(lease.since, now)
    return "\n".join(
        [
            f"held by {format_holder(lease)} since {since}, for {format_age(age)}; {end}",
            *_run(lease),
        ]
    )


def describe_ended_lease(lease: Lease, now: datetime) -> str:
    """Return the lines about a lease that is no longer valid: its holder and its run."""
    since = format_time(lease.since, now)
    return "\n".join([f"last holder: {format_holder(lease)}, since {since}", *_run(lease)])


def held_error(environment: Environment, lease: Lease, now: datetime) -> LeaseHeldError:
    """Return the error of a run that finds the lease held by another run."""
    name = environment.environment
    see = f", or see {lease.owner.run}" if lease.owner.run else ""
    again = (
        f"if that run has died, run this command again in {format_age(seconds_left(lease, now))}"
    )
    return LeaseHeldError(
        f"the lease on {name}", describe_lease(lease, now), f"{commands.status(name)}{see}; {again}"
    )


def lost_error(environment: Environment, reason: str) -> LeaseHeldError:
    """Return the error of a run that held the lease and lost it."""
    name = environment.environment
    what = f"this run lost its lease and has stopped: {reason}"
    return LeaseHeldError(f"the lease on {name}", what, commands.status(name))


def _run(lease: Lease) -> list[str]:
    lines = [
        f"command: {lease.command}" if lease.command else "",
        f"CI job: {lease.owner.run}" if lease.owner.run else "",
    ]
    return [line for line in lines if line]
