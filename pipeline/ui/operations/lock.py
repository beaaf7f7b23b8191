"""Render the lease of an environment, and the warning before it is broken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.lease import describe_ended_lease, describe_lease, format_age, seconds_left
from pipeline.ui.status_document import lease_document
from pipeline.ui.text import one_line

WARNING = """\
The lease of a run that died expires within a minute, so this run is probably alive. If you
break its lease, it stops at its next step and writes nothing more. A Terraform that it is running
continues to its end."""


def lock_text(environment: Environment, ended: str, now: datetime) -> str:
    """Return the holder, its command, the deployment in flight and the next command."""
    name, lease = environment.environment, environment.lease
    deployment = environment.deployment
    if lease is None and deployment is None:
        return f"the lease on {name} is free"
    if lease is None:
        lines = [f"the lease on {name} is free"]
    elif ended:
        lines = [f"the lease on {name} has ended: {ended}", describe_ended_lease(lease, now)]
    else:
        lines = [f"the lease on {name} is {describe_lease(lease, now)}"]
    is_held = lease is not None and not ended
    if deployment:
        alone = "" if is_held else "; no process is running it"
        lines.append(f"in flight: {deployment.kind} {deployment.id}, {_phase(deployment)}{alone}")
    elif not is_held:
        lines.append("no deployment is in flight: the next command takes the lease")
    if deployment and lease and is_held:
        left = format_age(seconds_left(lease, now))
        lines.append(f"if that run has died, in {left}: {commands.recover(name)}")
    lines.append(f"next: {next_command(environment, ended)}")
    return "\n".join(one_line(line) for text in lines for line in text.splitlines())


def _phase(deployment: Deployment) -> str:
    return f"in {deployment.phase}" if deployment.phase else "before its first phase"


def lock_document(environment: Environment, ended: str) -> dict[str, Any]:
    """Return the lease for a program."""
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
    """Return the command to run next."""
    unfinished = (ended or environment.lease is None) and environment.deployment
    command = commands.recover if unfinished else commands.status
    return command(environment.environment)


def warning(environment: Environment, now: datetime) -> str:
    """Return the text before the confirmation prompt of `lock break`."""
    return f"{lock_text(environment, '', now)}\n\n{WARNING}"
