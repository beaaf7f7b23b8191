"""Render the status of an environment for people.

The first lines tell the serving release and its health. The tree below (`ui.status_tree`) has the
details. The last line is the next command, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipeline.core import commands
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.health.serving import Trouble
from pipeline.core.health.traffic_sources import describe_sources
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.next_step import next_step, restore_command
from pipeline.core.state.release import AdoptedGroup
from pipeline.core.state.report import seconds_between
from pipeline.core.state.rollback import RollbackMode, RollbackOption, proves
from pipeline.core.state.status import Status, condition, missing_image, taking_over
from pipeline.core.times import format_duration, format_time
from pipeline.core.validation.phases import HOLD, traits_of
from pipeline.ui import deployment_text, icons
from pipeline.ui.freezing.freezes import format_freezes
from pipeline.ui.member_status import member_statuses
from pipeline.ui.status_tree import since, tree
from pipeline.ui.text import age, one_line, wrapped

_INDENT = 11


def status_text(status: Status, now: datetime, width: int = 100) -> str:
    """Return the status: the summary, the tree, and the next command."""
    lines = [
        f"{name:<{_INDENT}}{wrapped(text, width, _INDENT)}".rstrip()
        for name, text in status_rows(status, now)
    ]
    # Not wrapped, so that they can be pasted.
    last = [f"{name:<{_INDENT}}{command}" for name, command in pasted_rows(status)]
    last = ["", *last] if last else []
    return "\n".join([status_title(status), "", *lines, "", *tree(status, now, width), *last])


def status_title(status: Status) -> str:
    """Return the names of the service and the environment, and where it runs."""
    environment = status.environment
    account = f", account {one_line(environment.account)}" if environment.account else ""
    place = f"{one_line(environment.region)}{account}"
    return f"{one_line(environment.app)} {one_line(environment.environment)} ({place})"


def pasted_rows(status: Status) -> list[tuple[str, str]]:
    """Return the commands that a person may paste next, with their labels."""
    pasted = [("removal", each.delete) for each in _left(status)]
    return pasted + ([("next", one_line(command))] if (command := next_step(status)) else [])


def status_rows(status: Status, now: datetime) -> list[tuple[str, str]]:
    """Return labels with their texts, without those that say nothing."""
    rows = [
        ("serving", _serving(status)),
        ("", _about(status, now)),
        ("config", _changed(status)),
        ("adopted", _adopted(status)),
        ("freeze", format_freezes(status.frozen, now)),
        ("warning", _warning(status)),
        ("in flight", _in_flight(status, now)),
        ("latest", format_latest(status, now)),
        ("removal", format_removal(status, now)),
        *_reasons(status.environment.deployment),
        ("paused", _paused(status.environment.deployment, now)),
        ("reason", _reason(status.environment.deployment)),
        ("remedy", _remedy(status.environment.deployment)),
        ("lease", _lease(status, now)),
        ("rollback", _rollback(status)),
        ("drill", _drill(status, now)),
        *(("error", one_line(text)) for text in (*status.observation.unreadable, *status.unread)),
    ]
    return [(name, text) for name, text in rows if text]


def health(status: Status, release: str = "") -> tuple[str, str]:
    """Return the icon and the health of a release's group, by default of the serving one."""
    found = condition(status, release)
    text = one_line(found.what)
    match found.trouble:
        case None:
            return _icon(status, release or status.environment.serving), text
        case Trouble.UNREADABLE:
            return icons.UNKNOWN, text
        case Trouble.EMPTY:
            return icons.DETACHED, text
    return icons.FAILED, text


def _icon(status: Status, release: str) -> str:
    """Return the icon of a group that serves, by its worst member."""
    group = status.observation.groups[status.environment.group(release)]
    balancers = status.balancers_of(release)
    members = member_statuses(group, status.observation, balancers, worker=status.is_worker)
    found = {each.icon for each in members}
    if icons.FAILED in found:
        return icons.FAILED
    return icons.DONE if condition(status, release).is_complete else icons.STARTING


def _serving(status: Status) -> str:
    if not status.environment.serving:
        icon = icons.FAILED if status.environment.retired else icons.DETACHED
        return f"{icon} no managed release" if _receiving(status) else f"{icon} no release"
    successor, serving = taking_over(status), status.environment.serving
    icon, text = health(status, successor)
    if not successor:
        return f"{icon} {serving}, {text}"
    exists = status.environment.group(serving) in status.observation.groups
    left = "stopped" if status.is_worker else "detached"
    return f"{icon} {successor}, {text}; {serving} is {left if exists else 'deleted'}"


def format_latest(status: Status, now: datetime) -> str:
    """Return how the newest deployment failed, unless a later one is in flight."""
    last = status.latest
    if last is None or status.environment.deployment or deployment_text.succeeded(last):
        return ""
    what = f"{deployment_text.format_request(last)}: {deployment_text.format_outcome(last)}"
    return f"{what} {age(last.ended, now)} ago; see: {commands.report(last.id)}"


def _about(status: Status, now: datetime) -> str:
    shown = taking_over(status) or status.environment.serving
    record = status.environment.releases.get(shown)
    if record is None:
        return ""
    version = f"version {one_line(record.version)}" if record.version else ""
    facts = (version, f"image {record.release.ami_id}", since(record, now))
    return ", ".join(fact for fact in facts if fact)


def _changed(status: Status) -> str:
    """Return what the configuration would change, and the command that does."""
    environment = status.environment
    serving = environment.releases.get(environment.serving)
    if status.problem:
        return one_line(status.problem)
    if not status.changed or serving is None or environment.deployment is not None:
        return ""
    names = one_line(", ".join(each.name for each in status.changed))
    command = commands.promote(environment.environment, serving.release.ami_id)
    return f"differs from {environment.serving} in {names}; to apply it: {command}"


def _left(status: Status) -> list[AdoptedGroup]:
    """Return the adopted groups that a release has replaced and that still exist."""
    environment = status.environment
    if environment.serving in environment.adopted or environment.deployment is not None:
        return []
    there = {each.name for each in status.observation.groups.values() if not each.status}
    groups = (environment.adopted_group(name) for name in sorted(environment.adopted))
    return [each for each in groups if each and each.name in there]


def _adopted(status: Status) -> str:
    """Return what keeps the adopted groups detached."""
    return "; ".join(
        f"{one_line(each.name)}: {deployment_text.keep_detached(each)}" for each in _left(status)
    )


def _warning(status: Status) -> str:
    """Return what is wrong beside the serving group, while no deployment is in flight.

    That is traffic to other groups, and an image that was deleted.
    """
    environment = status.environment
    if environment.deployment is not None:
        return ""
    serving = environment.group(environment.serving)
    groups = sorted(status.observation.groups.items())
    texts = [
        text for name, each in groups for text in _traffic(status, each, serves=name == serving)
    ]
    if image := missing_image(status):
        texts.append(f"image {image} does not exist: Auto Scaling cannot start an instance")
    return f"{icons.FAILED} {one_line('; '.join(texts))}" if texts else ""


def _receiving(status: Status) -> bool:
    """Return True if a group beside the serving one is attached to the load balancers."""
    balancers = {each.identifier for each in status.balancers}
    serving = status.environment.group(status.environment.serving)
    groups = status.observation.groups.items()
    return any(name != serving and each.attached & balancers for name, each in groups)


def _traffic(status: Status, group: ObservedGroup, *, serves: bool) -> Iterator[str]:
    """Yield the traffic sources of a group that does not serve, and those not configured."""
    names = {each.identifier: each.name for each in status.all_balancers}
    idle = {each.identifier for each in status.all_balancers if status.share(each) == 0}
    here, beyond = group.attached & names.keys() - idle, group.attached - names.keys()
    if status.is_worker and not serves and group.maximum and not group.status:
        yield f"{group.name} may run instances, too: its maximum size is {group.maximum}"
    if here and not serves:
        attached = ", ".join(sorted(names[each] for each in here))
        yield f"{group.name} receives traffic from {attached}"
    # Where else a detached adopted group serves is its owner's affair.
    is_owners = not serves and group.name in {each.name for each in _left(status)}
    if beyond and not is_owners:
        table = f"[environments.{status.environment.environment}]"
        yield (
            f"{group.name} receives traffic from {describe_sources(beyond)}, "
            f"which {table} does not name"
        )


def _in_flight(status: Status, now: datetime) -> str:
    deployment = status.environment.deployment
    if deployment is None:
        return "none"
    began = f"began {age(deployment.began, now)} ago"
    where = f"in {one_line(deployment.phase)}" if deployment.phase else "before its first phase"
    by = f"by {one_line(deployment.beginner)}"
    run = f", {one_line(deployment.by.run)}" if deployment.by.run else ""
    text = f"{deployment_text.format_request(deployment)}, {by}{run}, {began}"
    if deployment.outcome and deployment.outcome.result is Result.NEEDS_ATTENTION:
        return f"{icons.FAILED} needs attention {where}: {text}"
    if deployment.pause:
        return f"{icons.PENDING} paused before {one_line(deployment.pause.before)}: {text}"
    if not status.running:
        return f"{icons.FAILED} interrupted {where}: {text}"
    return f"{icons.RUNNING} {where}: {text}"


def format_removal(status: Status, now: datetime) -> str:
    """Return what a finished deployment left for a later command to remove."""
    environment = status.environment
    if not environment.unremoved or environment.deployment is not None:
        return ""
    first = min(environment.releases[each].removal for each in environment.unremoved)
    names = ", ".join(environment.unremoved)
    return f"pending for {age(first, now)}: {names}, which the next deployment removes first"


def _reasons(deployment: Deployment | None) -> list[tuple[str, str]]:
    """Return why the deployment in flight began, and the freeze that it overrode."""
    if deployment is None:
        return []
    return [("why", one_line(deployment.why)), ("override", one_line(deployment.override))]


def _paused(deployment: Deployment | None, now: datetime) -> str:
    return deployment_text.format_pause(deployment, now) if deployment else ""


def _reason(deployment: Deployment | None) -> str:
    if deployment is None:
        return ""
    return deployment_text.format_failure(deployment) or one_line(deployment.reason)


def _remedy(deployment: Deployment | None) -> str:
    return deployment_text.format_remedy(deployment) if deployment else ""


def _lease(status: Status, now: datetime) -> str:
    """Return the holder if no deployment is in flight, else when its lease expires."""
    lease = status.environment.lease
    left = seconds_between(now.isoformat(), lease.expires) if lease else None
    if lease is None or not left:
        return ""
    deployment = status.environment.deployment
    if deployment is not None and not deployment.pause:
        recover = commands.recover(status.environment.environment)
        expiry = f"expires in {format_duration(left)} unless renewed; then: {recover}"
        return expiry if status.running else ""
    command = one_line(lease.command).removeprefix("ami-pipeline ")
    runner, start = deployment_text.format_runner(lease.owner), format_time(lease.since, now)
    return f"{runner} is running {command} since {start}" if command else f"{runner} since {start}"


def _rollback(status: Status) -> str:
    option, name = status.rollback, status.environment.environment
    if status.environment.deployment is not None:
        return _undo(status)
    version = f" (version {one_line(option.version)})" if option.version else ""
    match option.mode:
        case RollbackMode.NONE:
            return f"none: {one_line(option.reason)}"
        case RollbackMode.WARM:
            again = "starts instances again" if status.is_worker else "serves again in seconds"
            effect = f"{option.release}{version} is warm and {again}"
        case RollbackMode.COLD:
            effect = f"a new release of {option.release}'s image{version}, {_estimate(option)}"
    bad = "; the image is quarantined" if option.quarantined else ""
    last = _last(option) if option.mode is RollbackMode.WARM else ""
    return f"{option.command(name)}: {effect}{bad}{last}"


def _drill(status: Status, now: datetime) -> str:
    """Return what the last drill says about the rollback that is possible now."""
    environment, option = status.environment, status.rollback
    drill, again = environment.drill, commands.drill(environment.environment)
    if drill is None or option.mode is RollbackMode.NONE or environment.deployment is not None:
        return ""
    when, took = f"{age(drill.ended, now)} ago", f"took {format_duration(drill.seconds)}"
    if not proves(drill, option):
        result = "failed" if drill.reason else "was proven"
        other = f"that to {drill.release} {result} {when}"
        return f"the rollback to {option.release} is not proven yet ({other}): {again}"
    if drill.reason:
        reason = one_line(drill.reason)
        return f"{icons.FAILED} failed {when}, {took}: {reason}; once that is fixed: {again}"
    return f"{icons.DONE} rollback proven {when}, {took}"


def _undo(status: Status) -> str:
    """Return how to undo the deployment in flight, empty in a phase that cannot be undone."""
    deployment = status.environment.deployment
    if deployment is None or HOLD in traits_of(deployment.phase) or restore_command(status):
        return ""
    if deployment.kind in {Kind.RETIRE, Kind.DESTROY}:
        return ""
    effect = f"restores {deployment.blue}" if deployment.blue else f"removes {deployment.green}"
    abort = f"{commands.abort(status.environment.environment)}: {effect}"
    if status.running and deployment.by.run:
        return f"cancel its CI job, then {abort}"
    return f"interrupt it with Ctrl-C: {effect}" if status.running else abort


def _estimate(option: RollbackOption) -> str:
    """Return how long a rollback to a new group takes: as long as the last new group took."""
    if option.last_seconds is None:
        return "takes minutes"
    last = f"as the last {option.last_kind} did"
    return f"takes about {format_duration(option.last_seconds)}, {last}"


def _last(option: RollbackOption) -> str:
    if option.last_seconds is None:
        return ""
    return f"; the last {option.last_kind} took {format_duration(option.last_seconds)}"
