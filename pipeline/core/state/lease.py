"""What is said of a lease: who holds it, for how long still, and what the reader does now.

Apart from `adapters/lease.py`, which takes and keeps it: `promote` that finds it held, the run
that lost it, and `status` say the same.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core.errors import LeaseHeldError
from pipeline.core.state.environment import Environment, Lease


def seconds_left(lease: Lease, now: datetime) -> float:
    """Return how long a lease is good for unless it is renewed; negative once it expired."""
    return (datetime.fromisoformat(lease.expires) - now).total_seconds()


def holder(lease: Lease) -> str:
    """Return who holds it, in one line: `ann@laptop (pid 4242)`."""
    return f"{lease.owner.user}@{lease.owner.host} (pid {lease.owner.pid})"


def account_of(lease: Lease, now: datetime) -> str:
    """Return the lines that tell a waiting person everything of the run that holds it."""
    age = (now - datetime.fromisoformat(lease.since)).total_seconds()
    left = seconds_left(lease, now)
    end = f"expires in {span(left)} unless renewed" if left > 0 else f"expired {span(-left)} ago"
    lines = [
        f"held by {holder(lease)} since {lease.since}, for {span(age)}; {end}",
        f"running: {lease.command}" if lease.command else "",
        f"its run: {lease.owner.run}" if lease.owner.run else "",
    ]
    return "\n".join(line for line in lines if line)


def past_of(lease: Lease) -> str:
    """Return the lines that tell whose a lease was that binds nobody any more."""
    lines = [
        f"it was held by {holder(lease)}, since {lease.since}",
        f"it ran: {lease.command}" if lease.command else "",
        f"its run: {lease.owner.run}" if lease.owner.run else "",
    ]
    return "\n".join(line for line in lines if line)


def held(environment: Environment, lease: Lease, now: datetime) -> LeaseHeldError:
    """Return the error of a run that finds another's lease."""
    name = environment.environment
    observation = f"ami-pipeline status -e {name}"
    left = max(seconds_left(lease, now), 0)
    see = f", or see {lease.owner.run}" if lease.owner.run else ""
    return LeaseHeldError(
        f"the lease on {name}",
        account_of(lease, now),
        f"{observation}{see}; if that run is dead, run the command again in {span(left)}",
    )


def lost(environment: Environment, why: str) -> LeaseHeldError:
    """Return the error of a run that held the lease and does so no more."""
    name = environment.environment
    return LeaseHeldError(
        f"the lease on {name}",
        f"this run held it and lost it: {why}\nit changes nothing more",
        f"ami-pipeline status -e {name}",
    )


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: `41 s`, `3 min 12 s`, `2 h 05 min`."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
