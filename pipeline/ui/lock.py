"""Who holds an environment, as text and as a document, and what breaking that means."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core.state.environment import Environment
from pipeline.core.state.lease import account_of, past_of, seconds_left, span
from pipeline.ui.status_document import lease_document
from pipeline.ui.text import one_line

WARNING = """\
A run that died loses its lease within a minute, by itself: this one lives. Broken, it writes
nothing more and stops at its next step; a Terraform that it runs now goes on to its end."""


def lock_text(environment: Environment, ended: str, now: datetime) -> str:
    """Return who holds it, for how long, doing what, and the command to run next."""
    name, lease, dead = environment.environment, environment.lease, environment.deployment
    if lease is None and dead is None:
        return f"nobody holds the lease on {name}"
    if lease is None:
        lines = [f"nobody holds the lease on {name}"]
    elif ended:
        lines = [f"the lease on {name} has ended: {ended}", past_of(lease)]
    else:
        lines = [f"the lease on {name} is {account_of(lease, now)}"]
    holds = lease is not None and not ended
    if dead:
        alone = "" if holds else "; no run goes on with it"
        lines.append(f"in flight: {dead.kind} {dead.id}, in {dead.phase or 'its beginning'}{alone}")
    elif not holds:
        lines.append("nothing is in flight: the next run takes it over")
    if dead and lease and holds:
        left = span(seconds_left(lease, now))
        lines.append(f"if that run is dead, in {left}: ami-pipeline recover -e {name}")
    lines.append(f"next: {next_command(environment, ended)}")
    return "\n".join(one_line(line) for text in lines for line in text.splitlines())


def lock_document(environment: Environment, ended: str) -> dict[str, Any]:
    """Return the same as a document."""
    lease = environment.lease
    return {
        "environment": environment.environment,
        "held": lease is not None and not ended,
        "ended": ended or None,
        "lease": lease_document(lease),
        "in_flight": environment.deployment.id if environment.deployment else None,
        "next": next_command(environment, ended) if lease or environment.deployment else None,
    }


def next_command(environment: Environment, ended: str) -> str:
    """Return what to run where somebody holds it, or did."""
    unfinished = (ended or environment.lease is None) and environment.deployment
    verb = "recover" if unfinished else "status"
    return f"ami-pipeline {verb} -e {environment.environment}"


def warning(environment: Environment, now: datetime) -> str:
    """Return what a person reads before the question whether to break the lease."""
    return f"{lock_text(environment, '', now)}\n\n{WARNING}"
