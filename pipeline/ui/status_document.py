"""Render the status of an environment as JSON, with every member."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.state.environment import DrillRecord, Lease, ReleaseRecord
from pipeline.core.state.next_step import next_step
from pipeline.core.state.rollback import RollbackOption, proves
from pipeline.core.state.status import Status
from pipeline.ui.changes import inputs_document
from pipeline.ui.deployment_text import adopted_document
from pipeline.ui.freezing.freezes import freezes_document
from pipeline.ui.outcome import deployment_document
from pipeline.ui.status import health
from pipeline.ui.status_tree import role


def status_document(status: Status, now: datetime) -> dict[str, Any]:
    """Return the environment for a program."""
    environment, observation = status.environment, status.observation
    known = {name: environment.group(name) for name in environment.releases}
    unknown = sorted(observation.groups.keys() - set(known.values()))
    return {
        "app": environment.app,
        "environment": environment.environment,
        "account": environment.account,
        "region": environment.region,
        "serving": environment.serving or None,
        "health": health(status)[1] if environment.serving else None,
        "configuration": inputs_document(status.changed),
        "load_balancers": [
            _balancer(status, each) for each in (*status.all_balancers, *status.absent)
        ],
        "releases": [
            _release(status, record, observation.groups.get(known[name]), now)
            for name, record in sorted(environment.releases.items(), reverse=True)
        ],
        "unknown_groups": [_group(status, observation.groups[name]) for name in unknown],
        "freeze": freezes_document(status.frozen),
        "in_flight": _in_flight(status),
        "latest": latest_document(status),
        "removal_pending": list(environment.unremoved),
        "lease": lease_document(environment.lease),
        "rollback": _rollback(status.rollback),
        "drill": _drill(environment.drill, status.rollback),
        "unreadable": [*observation.unreadable, *status.unread],
        "next": next_step(status) or None,
    }


def _balancer(status: Status, balancer: Balancer) -> dict[str, Any]:
    targets = status.observation.targets.get(balancer.identifier)
    return {
        "kind": balancer.kind,
        "name": balancer.name,
        "identifier": balancer.identifier,
        "exists": balancer not in status.absent,
        "share": status.share(balancer),
        "targets": None if targets is None else {id_: targets[id_].state for id_ in targets},
    }


def _release(
    status: Status, record: ReleaseRecord, group: ObservedGroup | None, now: datetime
) -> dict[str, Any]:
    return {
        "release": record.release.name,
        "role": role(status, record, now),
        "ami_id": record.release.ami_id,
        "image_name": record.image_name,
        "version": record.version,
        "since": record.since or None,
        "warm_until": record.warm_until or None,
        "failed": record.failed,
        "removal_pending": record.removal or None,
        "adopted": adopted_document(record.adopted),
        "group": _group(status, group) if group else None,
    }


def _group(status: Status, group: ObservedGroup) -> dict[str, Any]:
    names = {each.identifier: each.name for each in status.all_balancers}
    return {
        "name": group.name,
        "min_size": group.minimum,
        "max_size": group.maximum,
        "desired_capacity": group.desired,
        "status": group.status or None,
        "attached": sorted(names.get(each, each) for each in group.attached),
        "members": [
            {
                "id": member.id,
                "lifecycle": member.lifecycle,
                "health": member.health,
                "zone": member.zone,
                "targets": [
                    {
                        "load_balancer": names.get(identifier, identifier),
                        "state": targets[member.id].state,
                        "reason": targets[member.id].reason or None,
                        "description": targets[member.id].description or None,
                    }
                    for identifier, targets in status.observation.targets.items()
                    if member.id in targets
                ],
            }
            for member in group.members
        ],
    }


def _in_flight(status: Status) -> dict[str, Any] | None:
    deployment = status.environment.deployment
    if deployment is None:
        return None
    return {**deployment_document(deployment), "running": status.running}


def latest_document(status: Status) -> dict[str, Any] | None:
    """Return the newest deployment that has ended, None without one."""
    return deployment_document(status.latest) if status.latest else None


def lease_document(lease: Lease | None) -> dict[str, Any] | None:
    """Return the lease, None if it is free."""
    if lease is None:
        return None
    return {
        "user": lease.owner.user,
        "host": lease.owner.host,
        "pid": lease.owner.pid,
        "run": lease.owner.run or None,
        "epoch": lease.epoch,
        "since": lease.since,
        "expires": lease.expires,
        "command": lease.command or None,
    }


def _drill(drill: DrillRecord | None, option: RollbackOption) -> dict[str, Any] | None:
    """Return the last drill; `current` says whether a rollback leads to the same release now."""
    if drill is None:
        return None
    return {
        "release": drill.release,
        "ami_id": drill.ami_id,
        "deployment": drill.deployment,
        "ended": drill.ended,
        "seconds": round(drill.seconds, 3),
        "proven": not drill.reason,
        "current": proves(drill, option),
        "reason": drill.reason or None,
    }


def _rollback(option: RollbackOption) -> dict[str, Any]:
    return {
        "mode": str(option.mode),
        "release": option.release or None,
        "ami_id": option.ami_id or None,
        "version": option.version or None,
        "quarantined": option.quarantined,
        "last_seconds": option.last_seconds,
        "last_kind": option.last_kind or None,
        "seconds_left": option.seconds_left,
        "reason": option.reason or None,
    }
