"""Keep instances prepared beside a group: its warm pool.

EC2 Auto Scaling User Guide, "Warm pools for Amazon EC2 Auto Scaling": members of a warm pool are no
capacity, no target, and not in the group's Instances. A scale-out takes them first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_cloud.scaling import activities, lifecycle, processes, retries
from local_cloud.scaling.errors import RefusedRequestError
from local_cloud.scaling.model import Group, Member
from local_cloud.scaling.ports import LaunchRefusedError, Ports

PENDING, WAITING = "Warmed:Pending", "Warmed:Pending:Wait"
TERMINATING = "Warmed:Terminating"
SETTLED = {"Stopped": "Warmed:Stopped", "Running": "Warmed:Running"}
FOR_POOL = (
    "an instance was started in response to a difference between desired and actual warm pool "
    "size, increasing the warm pool size from {} to {}."
)


@dataclass(kw_only=True, eq=False)
class WarmPool:
    """A warm pool and its members; `prepared` is MaxGroupPreparedCapacity, None for the maximum."""

    state: str = "Stopped"
    minimum: int = 0
    prepared: int | None = None
    reuse: bool = False
    deleting: bool = False
    forced: bool = False
    members: list[Member] = field(default_factory=list)

    @property
    def status(self) -> str | None:
        """The Status that DescribeWarmPool shows."""
        return "PendingDelete" if self.deleting else None


def wanted(group: Group, pool: WarmPool) -> int:
    """Return how many members the pool should have.

    Enough to reach the prepared capacity with the group's desired capacity, at least the minimum.
    """
    if pool.deleting or group.deleting is not None:
        return 0
    settings = group.settings
    prepared = int(settings.max_size) if pool.prepared is None else pool.prepared
    return max(pool.minimum, prepared - int(settings.desired_capacity), 0)


def delete(group: Group, *, force: bool) -> None:
    """Start deleting the pool, or refuse one with instances unless forced."""
    pool = require(group)
    if pool.members and not force:
        raise RefusedRequestError(
            "ResourceInUse",
            "You cannot delete a warm pool while there are instances still in the warm pool.",
        )
    pool.deleting, pool.forced = True, force


def require(group: Group) -> WarmPool:
    """Return the warm pool of a group, or refuse."""
    pool: WarmPool | None = group.warm_pool
    if pool is None:
        raise RefusedRequestError(
            "ValidationError", f"No warm pool found for Auto Scaling group {group.name}"
        )
    return pool


# "Launching a new EC2 instance from warm pool: i-0123456789abcdef0" (seen in the workshops of AWS).
def take(group: Group, ports: Ports, cause: str, now: float) -> bool:
    """Move a prepared member into the group for a scale-out; return False without any."""
    pool: WarmPool | None = group.warm_pool
    ready = [m for m in pool.members if m.lifecycle_state in SETTLED.values()] if pool else []
    if not pool or not ready:
        return False
    member = ready[0]
    pool.members.remove(member)
    place = activities.place_of(member)
    text = f"{activities.LAUNCHING} from warm pool: {member.instance_id}"
    member.activity = activities.begin(group, ports, text, cause, place)
    activities.progress(member.activity, "PreInService", 30)
    member.lifecycle_state, member.held, member.launched = "Pending", False, now
    if ports.state(member.instance_id) == "stopped":
        ports.start(member.instance_id)
    group.members.append(member)
    return True


def advance(group: Group, ports: Ports, now: float) -> bool:
    """Take the pool one step further; return True if anything changed."""
    pool: WarmPool | None = group.warm_pool
    if pool is None:
        return False
    moved = [settle(group, pool, member, ports, now) for member in list(pool.members)]
    moved.append(resize(group, pool, ports, now))
    if pool.deleting and not pool.members:
        group.warm_pool = None
        return True
    return any(moved)


def settle(group: Group, pool: WarmPool, member: Member, ports: Ports, now: float) -> bool:
    """Advance one member of the pool by one state."""
    state = ports.state(member.instance_id)
    match member.lifecycle_state:
        case "Warmed:Pending" if state == "running":
            return prepare(group, pool, member, ports, now)
        case "Warmed:Pending" if state in {"shutting-down", "terminated"}:
            return leave(pool, member, ports)
        case "Warmed:Pending" if state == "stopped" and pool.state == "Stopped":
            return finish(pool, member, ports)
        case "Warmed:Pending:Wait" if lifecycle.decided(member, now):
            member.lifecycle_state, member.waits = PENDING, []
            return True
        case "Warmed:Terminating" if state == "terminated":
            activities.end(member.activity, ports)
            pool.members.remove(member)
            return True
    return False


def prepare(group: Group, pool: WarmPool, member: Member, ports: Ports, now: float) -> bool:
    """Hold a booted member by its hooks; then stop it, or keep it running."""
    if lifecycle.hold(group, member, ports, lifecycle.LAUNCHING, now):
        member.lifecycle_state = WAITING
        return True
    if pool.state != "Stopped":
        return finish(pool, member, ports)
    ports.stop(member.instance_id)
    return True


def finish(pool: WarmPool, member: Member, ports: Ports) -> bool:
    """Record that a member is prepared."""
    member.lifecycle_state, member.held = SETTLED[pool.state], False
    activities.end(member.activity, ports)
    member.activity = None
    return True


def leave(pool: WarmPool, member: Member, ports: Ports) -> bool:
    """Drop a member whose instance ended by itself."""
    activities.fail(member.activity, ports, "Cancelled", ports.reason(member.instance_id))
    pool.members.remove(member)
    return True


def resize(group: Group, pool: WarmPool, ports: Ports, now: float) -> bool:
    """Launch or terminate members of the pool until it has as many as it should."""
    staying = [member for member in pool.members if member.lifecycle_state != TERMINATING]
    missing = wanted(group, pool) - len(staying)
    if missing < 0:
        for member in staying[missing:]:
            terminate(group, member, ports)
        return True
    if not missing or processes.is_suspended(group, "Launch") or not retries.is_due(group, now):
        return False
    return launch(group, pool, ports, now, missing)


def launch(group: Group, pool: WarmPool, ports: Ports, now: float, count: int) -> bool:
    """Launch members into the pool."""
    places = list(ports.places(group))
    for _ in range(count):
        size = len(pool.members)
        place = places[size % len(places)]
        cause = activities.at(ports.stamp()) + FOR_POOL.format(size, size + 1)
        doing = activities.begin(group, ports, activities.LAUNCHING, cause, place)
        try:
            made = ports.launch(group, place)
        except LaunchRefusedError as refusal:
            text = f"{str(refusal).rstrip('.')}. Launching EC2 instance failed."
            activities.fail(doing, ports, "Failed", text)
            retries.postpone(group, ports, now)
            return True
        doing.description += f" into warm pool: {made.instance}"
        pool.members.append(
            Member(
                instance_id=made.instance,
                instance_type=made.instance_type,
                availability_zone=made.zone,
                subnet=made.subnet,
                auto_scaling_group_name=group.name,
                launched=now,
                lifecycle_state=PENDING,
                launch_template=made.launch_template,
                launch_configuration_name=made.launch_configuration,
                activity=doing,
            )
        )
    return True


def terminate(group: Group, member: Member, ports: Ports) -> None:
    """Start terminating a member of the pool."""
    activities.end(member.activity, ports, "Cancelled")
    place = activities.place_of(member)
    cause = activities.at(ports.stamp()) + "an instance was taken out of the warm pool."
    text = f"Terminating EC2 instance from warm pool: {member.instance_id}"
    member.activity = activities.begin(group, ports, text, cause, place)
    member.lifecycle_state = TERMINATING
    ports.terminate(member.instance_id)
