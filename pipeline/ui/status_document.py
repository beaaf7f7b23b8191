"""What stands, for a program: every fact of the tree, and every member."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.state.environment import Lease, ReleaseRecord
from pipeline.core.state.status import RollbackOption, Status
from pipeline.ui.outcome import deployment_document
from pipeline.ui.status import health, todo
from pipeline.ui.tree import group_name, role


def status_document(status: Status, now: datetime) -> dict[str, Any]:
    """Return the environment for a program."""
    environment, observation = status.environment, status.observation
    known = {name: group_name(status, name) for name in environment.releases}
    strange = sorted(observation.groups.keys() - set(known.values()))
    return {
        "app": environment.app,
        "environment": environment.environment,
        "account": environment.account,
        "region": environment.region,
        "serving": environment.serving or None,
        "health": health(status)[1] if environment.serving else None,
        "load_balancers": [_balancer(status, each) for each in status.balancers],
        "releases": [
            _release(status, kept, observation.groups.get(known[name]), now)
            for name, kept in sorted(environment.releases.items(), reverse=True)
        ],
        "unknown_groups": [_group(status, observation.groups[name]) for name in strange],
        "in_flight": _in_flight(status),
        "lease": lease_document(environment.lease),
        "way_back": _way_back(status.way_back),
        "not_read": list(observation.unreadable),
        "next": todo(status) or None,
    }


def _balancer(status: Status, balancer: Balancer) -> dict[str, Any]:
    targets = status.observation.targets.get(balancer.identifier)
    return {
        "kind": balancer.kind,
        "name": balancer.name,
        "identifier": balancer.identifier,
        "targets": None if targets is None else {id_: targets[id_].state for id_ in targets},
    }


def _release(
    status: Status, kept: ReleaseRecord, group: ObservedGroup | None, now: datetime
) -> dict[str, Any]:
    return {
        "release": kept.release.name,
        "role": role(status, kept, now),
        "ami_id": kept.release.ami_id,
        "image_name": kept.image_name,
        "version": kept.version,
        "since": kept.since or None,
        "warm_until": kept.warm_until or None,
        "failed": kept.failed,
        "group": _group(status, group) if group else None,
    }


def _group(status: Status, group: ObservedGroup) -> dict[str, Any]:
    names = {each.identifier: each.name for each in status.balancers}
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
    return {**deployment_document(deployment), "alive": status.alive}


def lease_document(lease: Lease | None) -> dict[str, Any] | None:
    """Return who holds the lease; None where nobody does."""
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


def _way_back(way: RollbackOption) -> dict[str, Any]:
    return {
        "way": str(way.way),
        "release": way.release or None,
        "ami_id": way.ami_id or None,
        "version": way.version or None,
        "last_seconds": way.last,
        "measured": way.measured or None,
        "seconds_left": way.left,
        "reason": way.reason or None,
    }
