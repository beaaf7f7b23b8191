"""Replace the members of a group in steps: instance refreshes.

EC2 Auto Scaling User Guide, "Use an instance refresh to update instances in an Auto Scaling group";
API Reference, StartInstanceRefresh, CancelInstanceRefresh, RollbackInstanceRefresh.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local_cloud.scaling import activities, processes, termination
from local_cloud.scaling.errors import RefusedRequestError
from local_cloud.scaling.model import Group, Member, token
from local_cloud.scaling.ports import Ports

ACTIVE = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress"})
BY_REFRESH = "an instance was taken out of service in response to an instance refresh."
LONGEST_STILL = 3600.0  # AWS's seconds without progress until a refresh fails


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """How fast a refresh goes: the least healthy share in percent, AWS's seconds of warm-up.

    `given` are the preferences as the call named them.
    """

    healthy: int = 90
    warmup: float = 0.0
    skip_matching: bool = False
    protected: str = "Wait"
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Refresh:
    """An instance refresh. `undo` restores what the group launched before, if that is possible."""

    preferences: Preferences
    started: dt.datetime
    desired: dict[str, Any] | None = None
    undo: Callable[[], None] | None = None
    id: str = field(default_factory=token)
    status: str = "Pending"
    reason: str = ""
    ended: dt.datetime | None = None
    waiting: list[str] = field(default_factory=list)  # instances that are still to be replaced
    count: int = 0
    moved: float = 0.0  # when an instance was last replaced

    @property
    def is_active(self) -> bool:
        """True until the refresh has ended."""
        return self.status in ACTIVE


def active(group: Group) -> Refresh | None:
    """Return the refresh of a group that has not ended."""
    return next((each for each in group.refreshes if each.is_active), None)


def require_none(group: Group) -> None:
    """Refuse a call that an active refresh blocks, in AWS's words."""
    if active(group):
        raise RefusedRequestError(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this "
            "Instance Refresh.",
        )


def require_active(group: Group) -> Refresh:
    """Return the active refresh, or refuse."""
    if found := active(group):
        return found
    raise RefusedRequestError(
        "ActiveInstanceRefreshNotFound",
        f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}",
    )


def start(group: Group, refresh: Refresh) -> None:
    """Add a refresh, newest first."""
    require_none(group)
    group.refreshes.insert(0, refresh)


# "Cancelling an instance refresh does not roll back any changes that were already made"; it is
# Cancelling while instances are being replaced (API Reference, CancelInstanceRefresh).
def cancel(group: Group) -> Refresh:
    """Let the active refresh end after what it has begun."""
    refresh = require_active(group)
    refresh.status, refresh.reason = "Cancelling", "Cancelled by user request."
    return refresh


# IrreversibleInstanceRefresh: no desired configuration was specified, or it names $Latest or
# $Default (API Reference, RollbackInstanceRefresh).
def roll_back(group: Group, ports: Ports, now: float) -> Refresh:
    """Replace the new members by members of the earlier configuration."""
    refresh = require_active(group)
    if refresh.undo is None:
        raise RefusedRequestError(
            "IrreversibleInstanceRefresh",
            "The instance refresh has no desired configuration that can be rolled back.",
        )
    refresh.undo()
    refresh.undo, refresh.status = None, "RollbackInProgress"
    refresh.reason = "Rolled back by user request."
    choose(group, refresh, ports, now, matching=True)
    return refresh


def advance(group: Group, ports: Ports, now: float) -> bool:
    """Take the active refresh one step further; return True if anything changed."""
    refresh = active(group)
    if refresh is None or processes.is_suspended(group, "InstanceRefresh"):
        return False
    if group.deleting is not None:
        end(refresh, ports, "Cancelled", "The Auto Scaling group is being deleted.")
        return True
    if refresh.status == "Pending":
        refresh.status = "InProgress"
        choose(group, refresh, ports, now, matching=refresh.preferences.skip_matching)
        return True
    if refresh.status == "Cancelling":
        return finish(group, refresh, ports, now, "Cancelled")
    if ports.scaled(LONGEST_STILL) < now - refresh.moved:
        end(refresh, ports, "Failed", "No instance could be replaced for an hour.")
        return True
    return replace_next(group, refresh, ports, now)


def choose(group: Group, refresh: Refresh, ports: Ports, now: float, *, matching: bool) -> None:
    """Choose the members to replace; those of the present template stay with `matching`."""
    template = ports.template(group) if matching else None
    served = [member for member in group.members if member.lifecycle_state == "InService"]
    refresh.waiting = [
        member.instance_id
        for member in served
        if (template is None or member.launch_template != template)
        and not (member.protected_from_scale_in and refresh.preferences.protected == "Ignore")
    ]
    refresh.count, refresh.moved = len(refresh.waiting), now


def replace_next(group: Group, refresh: Refresh, ports: Ports, now: float) -> bool:
    """Terminate as many members as may be out of service, or end the refresh."""
    refresh.waiting = [each for each in refresh.waiting if group.find(each)]
    if not refresh.waiting:
        rolled = refresh.status == "RollbackInProgress"
        return finish(group, refresh, ports, now, "RollbackSuccessful" if rolled else "Successful")
    spare = len(ready(group, refresh, ports, now)) - least(group, refresh)
    chosen = [member for member in oldest(group, refresh) if may_end(member, refresh)][:spare]
    cause = activities.at(ports.stamp()) + BY_REFRESH
    for member in chosen if spare > 0 else []:
        termination.terminate(group, member, ports, cause, now)
        refresh.moved = now
    return bool(chosen) and spare > 0


# "If the percentage and the desired capacity leave no room, one instance is replaced at a time"
# (User Guide, "Understand the default values for an instance refresh").
def least(group: Group, refresh: Refresh) -> int:
    """Return how many members must stay in service."""
    desired = int(group.settings.desired_capacity)
    share = -(-desired * refresh.preferences.healthy // 100)
    return min(share, max(desired - 1, 0))


def ready(group: Group, refresh: Refresh, ports: Ports, now: float) -> list[Member]:
    """Return the healthy members that are warmed up; old ones need no warm-up."""
    warmup = ports.scaled(refresh.preferences.warmup)
    return [
        member
        for member in group.members
        if member.lifecycle_state == "InService"
        and member.health_status == "Healthy"
        and (member.instance_id in refresh.waiting or is_warm(member, warmup, now))
    ]


def is_warm(member: Member, warmup: float, now: float) -> bool:
    """Return True if a member has been in service for the warm-up."""
    return member.in_service is not None and now - member.in_service >= warmup


def oldest(group: Group, refresh: Refresh) -> list[Member]:
    """Return the members in service that are to be replaced, oldest first."""
    waiting = [member for member in group.members if member.instance_id in refresh.waiting]
    served = [member for member in waiting if member.lifecycle_state == "InService"]
    return sorted(served, key=lambda member: member.launched)


def may_end(member: Member, refresh: Refresh) -> bool:
    """Return True unless a member is protected and the refresh waits for that to end."""
    return not member.protected_from_scale_in or refresh.preferences.protected == "Refresh"


def finish(group: Group, refresh: Refresh, ports: Ports, now: float, status: str) -> bool:
    """End the refresh once the group is whole and warmed up again."""
    if len(ready(group, refresh, ports, now)) < int(group.settings.desired_capacity):
        return False
    end(refresh, ports, status, refresh.reason)
    return True


def end(refresh: Refresh, ports: Ports, status: str, reason: str) -> None:
    """Record the end of a refresh."""
    refresh.status, refresh.reason, refresh.ended = status, reason, ports.stamp()
