"""Choose the one command that a person needs next in an environment: the last line of `status`."""

from __future__ import annotations

from typing import assert_never

from pipeline.core import commands
from pipeline.core.health.serving import Trouble, list_balancers, scale
from pipeline.core.health.traffic_sources import attach, detach
from pipeline.core.state.deployment import Deployment, Result, result_of
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.ownership import owner_in
from pipeline.core.state.rollback import ImageStates, RollbackMode, RollbackOption
from pipeline.core.state.status import Status, condition, missing_image, missing_releases


def next_step(status: Status) -> str:
    """Return the next command, empty if there is nothing to do; it works as pasted."""
    environment, deployment = status.environment, status.environment.deployment
    name = environment.environment
    if deployment and status.running:
        failed = result_of(deployment) is Result.NEEDS_ATTENTION
        return commands.recover(name) if failed else ""
    if deployment and deployment.pause:
        return _after_pause(status, deployment)
    if status.absent:
        return list_balancers(environment.region, status.absent)
    if command := restore_command(status):
        return command
    if deployment:
        return commands.recover(name)
    command = repair(status) if environment.serving else _first(status)
    kept = any(each.failed for each in environment.releases.values())
    if not command and missing_image(status):
        command = f"{commands.bake()} && {commands.promote(name)}"
    command = command or (commands.abort(name) if kept else "") or _describe_others(status)
    return command or (commands.recover(name) if environment.unremoved else "")


def _after_pause(status: Status, paused: Deployment) -> str:
    """Return how to continue a paused deployment, or undo it: it cannot continue without a group.

    Once its time is over, `recover` does what the pause says.
    """
    environment = status.environment
    if status.is_overdue:
        return commands.recover(environment.environment)
    gone = missing_releases(environment, status.observation) & {paused.blue, paused.green}
    if any(environment.releases[each].made for each in gone):
        return commands.abort(environment.environment)
    return commands.resume(environment.environment)


def _describe_others(status: Status) -> str:
    """Return the command that shows the other groups that receive traffic; empty if none does.

    They are not proven ours, so no command here detaches them; an adopted one is.
    """
    environment = status.environment
    serving = environment.group(environment.serving)
    balancers = {each.identifier for each in status.balancers}
    groups = status.observation.groups.items()
    others = sorted(name for name, each in groups if name != serving and each.attached & balancers)
    if adopted := [each for each in others if environment.release_at(each) in environment.adopted]:
        attached = status.observation.groups[adopted[0]].attached
        sources = [each for each in status.balancers if each.identifier in attached]
        return detach(environment.region, adopted[0], sources)
    options = {"region": environment.region, "auto-scaling-group-names": others}
    return commands.aws("autoscaling", "describe-auto-scaling-groups", options) if others else ""


def repair(status: Status) -> str:
    """Return the command that lets the serving release serve again; empty if it does."""
    environment, found = status.environment, condition(status)
    name, region = environment.environment, environment.region
    group = environment.group(environment.serving)
    match found.trouble:
        case None:
            command = ""
        case Trouble.UNREADABLE | Trouble.OTHERS:
            command = commands.doctor(name)
        case Trouble.NO_BALANCER:
            command = list_balancers(region, status.absent)
        case Trouble.MISSING | Trouble.DELETED:
            command = promote_again(environment, status.images)
        case Trouble.DETACHED:
            command = attach(region, group, found.detached)
        case Trouble.EMPTY:
            command = _scale(status, environment.releases[environment.serving], group)
        case Trouble.UNHEALTHY:
            command = way_back(name, status.rollback)
        case _:
            assert_never(found.trouble)
    return command


def way_back(environment: str, option: RollbackOption) -> str:
    """Return the rollback; if none is possible, how to promote a fixed image."""
    if option.mode is not RollbackMode.NONE:
        return option.command(environment)
    return f"{commands.bake()} && {commands.promote(environment, allow_unhealthy=True)}"


def restore_command(status: Status) -> str:
    """Return the command that restores service if no group is left to serve; else empty.

    The command finishes an interrupted deployment first. It is a rollback if another group is
    warm, else the promotion of the image that served last.
    """
    environment, interrupted = status.environment, status.environment.deployment
    missing = missing_releases(environment, status.observation)
    pair = {environment.serving} | ({interrupted.blue, interrupted.green} if interrupted else set())
    known = pair & environment.releases.keys()
    served_once = environment.serving or environment.retired
    if status.observation.unreadable or not served_once or not known <= missing:
        return ""
    back = status.rollback
    if back.mode is RollbackMode.WARM and back.release not in pair:
        return back.command(environment.environment)
    return promote_again(environment, status.images)


def promote_again(environment: Environment, images: ImageStates) -> str:
    """Return the promotion of the image that serves, or served last; a good one if there is one.

    Without an image that exists, it is a new bake.
    """
    name, serving = environment.environment, environment.releases.get(environment.serving)
    served = [(serving.release.ami_id, False)] if serving else []
    served += [(each.ami_id, each.quarantined) for each in environment.retired]
    known = {
        ami_id: quarantined or ami_id in images.quarantined
        for ami_id, quarantined in reversed(served)
        if ami_id not in images.gone
    }
    newest = [ami_id for ami_id, _ in served if ami_id in known]
    if not newest:
        return f"{commands.bake()} && {commands.promote(name)}"
    chosen = next((each for each in newest if not known[each]), newest[0])
    return commands.promote(name, chosen, allow_quarantined=known[chosen])


def _scale(status: Status, record: ReleaseRecord, group: str) -> str:
    """Return the command that gives the serving group the size of its release again."""
    size, region = record.release.size, status.environment.region
    seen = status.observation.groups[group]
    return scale(region, seen, minimum=record.minimum, desired=size.desired)


def _first(status: Status) -> str:
    """Return the command for an environment whose document has no serving release.

    A group with our tags that receives traffic belongs to another, an earlier or a lost document.
    """
    environment = status.environment
    balancers = {each.identifier for each in status.balancers}
    groups = status.observation.groups.values()
    here = (each for each in groups if each.attached & balancers or status.is_worker)
    ours = any(
        owner_in(each.tags) == f"{environment.app}/{environment.environment}" for each in here
    )
    name = environment.environment
    if ours and environment.is_empty:
        return commands.state_rebuild(name)
    return commands.state_show(name) if ours else commands.promote(name)
