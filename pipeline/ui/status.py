"""What stands, for the person who is called at night: who serves, is it well, what to type.

First a few lines that answer that, then the tree (`ui.tree`) for those who look closer.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core.health.observation import ObservedGroup
from pipeline.core.state.deployment import Deployment, Result
from pipeline.core.state.report import seconds_between
from pipeline.core.state.status import RollbackMode, RollbackOption, Status, taking_over, way_out
from pipeline.ui import glyphs, words
from pipeline.ui.members import standings
from pipeline.ui.text import age, duration, one_line, wrapped
from pipeline.ui.tree import group_name, since, tree

_INDENT = 11
_HELD = frozenset({"retire", "reattach", "detach", "delete"})


def status_text(status: Status, now: datetime, width: int = 100) -> str:
    """Return the environment: the answers first, then the tree."""
    environment = status.environment
    account = f", account {one_line(environment.account)}" if environment.account else ""
    place = f"{one_line(environment.region)}{account}"
    rows = [
        ("serving", _serving(status)),
        ("", _about(status, now)),
        ("also", _also(status)),
        ("in flight", _in_flight(status, now)),
        ("reason", _reason(status.environment.deployment)),
        ("lease", _lease(status, now)),
        ("way back", _way_back(status)),
        *(("not read", one_line(text)) for text in status.observation.unreadable),
        ("next", todo(status)),
    ]
    lines = [
        f"{name:<{_INDENT}}{wrapped(text, width, _INDENT)}".rstrip() for name, text in rows if text
    ]
    title = f"{one_line(environment.app)} {one_line(environment.environment)} ({place})"
    return "\n".join([title, "", *lines, "", *tree(status, now, width)])


def health(status: Status, release: str = "") -> tuple[str, str]:
    """Return an icon and words for the group of a release, else of the one that serves."""
    name = group_name(status, release or status.environment.serving)
    group = status.observation.groups.get(name)
    if group is None and status.observation.unreadable:
        return glyphs.UNKNOWN, "its group could not be read"
    if group is None:
        return glyphs.FAILED, "its group does not exist"
    if group.status:
        return glyphs.FAILED, f"its group is being deleted ({one_line(group.status)})"
    count = _healthy(status, group)
    told = f"{count} of {group.desired} members healthy"
    missing = [each.name for each in status.balancers if each.identifier not in group.attached]
    if missing:
        return glyphs.FAILED, f"not attached to {one_line(', '.join(missing))}, {told}"
    marks = {each.mark for each in standings(group, status.observation, status.balancers)}
    if glyphs.FAILED in marks or not count:
        return glyphs.FAILED, told
    return (glyphs.DONE if count >= group.desired else glyphs.COMING), told


def _healthy(status: Status, group: ObservedGroup) -> int:
    found = standings(group, status.observation, status.balancers)
    good = glyphs.DONE if status.balancers else glyphs.DARK
    return sum(len(each.ids) for each in found if each.mark == good)


def _serving(status: Status) -> str:
    if not status.environment.serving:
        past = status.environment.retired
        return f"{glyphs.FAILED} nothing" if past else f"{glyphs.DARK} nothing"
    over, serving = taking_over(status), status.environment.serving
    icon, told = health(status, over)
    if not over:
        return f"{icon} {serving}, {told}"
    there = group_name(status, serving) in status.observation.groups
    return f"{icon} {over}, {told}; {serving} is {'detached' if there else 'gone'}"


def _about(status: Status, now: datetime) -> str:
    shown = taking_over(status) or status.environment.serving
    kept = status.environment.releases.get(shown)
    if kept is None:
        return ""
    version = f"version {one_line(kept.version)}" if kept.version else ""
    facts = (version, f"image {kept.release.ami_id}", since(kept, now))
    return ", ".join(fact for fact in facts if fact)


def _also(status: Status) -> str:
    """Groups that take traffic though no deployment is on its way that would have them do so."""
    environment = status.environment
    if environment.deployment is not None:
        return ""
    ours = {each.identifier: each.name for each in status.balancers}
    told = [
        f"{name} takes traffic from {', '.join(sorted(ours[each] for each in attached))}"
        for name, group in sorted(status.observation.groups.items())
        if name != group_name(status, environment.serving)
        and (attached := group.attached & ours.keys())
    ]
    return f"{glyphs.FAILED} {one_line('; '.join(told))}" if told else ""


def _in_flight(status: Status, now: datetime) -> str:
    deployment = status.environment.deployment
    if deployment is None:
        return "nothing"
    began = f"began {age(deployment.began, now)} ago"
    where = f"in {one_line(deployment.phase)}" if deployment.phase else "before its first phase"
    by = f"by {words.runner(deployment.by)}"
    run = f", {one_line(deployment.by.run)}" if deployment.by.run else ""
    told = f"{words.intent(deployment)}, {by}{run}, {began}"
    if deployment.outcome and deployment.outcome.result is Result.NEEDS_ATTENTION:
        return f"{glyphs.FAILED} stranded {where}: {told}"
    if not status.alive:
        return f"{glyphs.FAILED} died {where}: {told}"
    return f"{glyphs.RUNNING} {where}: {told}"


def _reason(deployment: Deployment | None) -> str:
    if deployment is None:
        return ""
    return words.fault(deployment) or one_line(deployment.reason)


def _lease(status: Status, now: datetime) -> str:
    """Who holds it where nothing is in flight; else how long a run elsewhere may yet be dead."""
    lease = status.environment.lease
    left = seconds_between(now.isoformat(), lease.expires) if lease else None
    if lease is None or not left:
        return ""
    if status.environment.deployment is not None:
        then = f"ami-pipeline recover -e {status.environment.environment}"
        return f"ends in {duration(left)} unless renewed; then: {then}" if status.alive else ""
    command = f" ({one_line(lease.command)})" if lease.command else ""
    return f"held by {words.runner(lease.owner)}{command}, for {duration(left)} more"


def _way_back(status: Status) -> str:
    way, name = status.way_back, status.environment.environment
    if status.environment.deployment is not None:
        return _undo(status)
    version = f" (version {one_line(way.version)})" if way.version else ""
    match way.way:
        case RollbackMode.NONE:
            return f"none: {one_line(way.reason)}"
        case RollbackMode.WARM:
            how = f"{way.release}{version} is warm: back in seconds"
        case RollbackMode.COLD:
            how = f"a new release of {way.release}'s image{version}: takes minutes"
    return f"ami-pipeline rollback -e {name}: {how}{_last(way)}"


def _undo(status: Status) -> str:
    """The way back out of a deployment in flight, by its phases' own rules (core.phases)."""
    deployment = status.environment.deployment
    if deployment is None or deployment.phase in _HELD or way_out(status):
        return ""
    back = f"it puts {deployment.blue} back" if deployment.blue else "it removes what it made"
    abort = f"ami-pipeline abort -e {status.environment.environment}: {back}"
    if status.alive and deployment.by.run:
        return f"cancel its job, then {abort}"
    return f"interrupt its run (Ctrl-C): {back}" if status.alive else abort


def _last(way: RollbackOption) -> str:
    return "" if way.last is None else f"; the last {way.measured} took {duration(way.last)}"


def _failing(status: Status) -> bool:
    """Whether fewer than half are healthy: a single sick member is Auto Scaling's affair."""
    group = status.observation.groups.get(group_name(status, status.environment.serving))
    if group is None:
        return not status.observation.unreadable
    return _healthy(status, group) * 2 < group.desired


def todo(status: Status) -> str:
    """Return the one command to type, empty where nothing has to be done."""
    name, deployment = status.environment.environment, status.environment.deployment
    if not status.alive and (command := way_out(status)):
        return command
    if deployment is not None:
        stranded = deployment.outcome and deployment.outcome.result is Result.NEEDS_ATTENTION
        over = stranded or not status.alive
        return f"ami-pipeline recover -e {name}" if over else ""
    if not status.environment.serving:
        return f"ami-pipeline promote -e {name}"
    if _failing(status) and status.way_back.way is not RollbackMode.NONE:
        return f"ami-pipeline rollback -e {name}"
    failed = [kept for kept in status.environment.releases.values() if kept.failed]
    return f"when you have seen enough: ami-pipeline abort -e {name}" if failed else ""
