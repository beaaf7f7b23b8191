"""Say what happened to a deployment: one notification for each of its events.

Pure, so that the notification of a run that was killed can be made again from the record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.changes.summary import summary
from pipeline.core.notifications.notification import (
    LONGEST,
    Notification,
    Occasion,
    lines_of,
)
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.report import serves, took
from pipeline.core.times import format_duration
from pipeline.core.validation.one_line import one_line

_ANNOUNCED = frozenset({Kind.PROMOTE, Kind.REBUILD, Kind.ROLLBACK})
"""The deployments whose beginning and success are told; the others only remove groups."""


def began(app: str, deployment: Deployment, commit: str = "") -> Notification | None:
    """Return that a deployment began, None for one that only removes groups or is a drill."""
    if deployment.kind not in _ANNOUNCED:
        return None
    to, since = _release(deployment), deployment.blue
    if deployment.kind is Kind.ROLLBACK:
        title = f"rollback from {since} to {to} began" if since else f"rollback to {to} began"
    else:
        how = f"to replace {since}" if since else "as the first release"
        title = f"{deployment.kind} of {to} began, {how}"
    return _notification(app, deployment, Occasion.BEGAN, title, deployment.began, commit)


def ended(app: str, deployment: Deployment, commit: str = "") -> Notification | None:
    """Return how a deployment ended or that it is paused, None if that is not told."""
    outcome = deployment.outcome
    if outcome is None:
        return None
    occasion = _occasion(deployment, outcome)
    if occasion is None:
        return None
    title = _title(deployment, outcome, occasion)
    pause = deployment.pause
    at = pause.since if pause else deployment.ended
    return _notification(app, deployment, occasion, title, at, commit)


def key_of(deployment: Deployment, occasion: Occasion) -> str:
    """Return the key of an event of a deployment; each pause is an event of its own."""
    number = f"-{len(deployment.pauses)}" if occasion is Occasion.PAUSED else ""
    return f"{deployment.environment}.{deployment.id}.{occasion}{number}"


def _occasion(deployment: Deployment, outcome: Outcome) -> Occasion | None:
    kind = deployment.kind
    match outcome.result:
        case Result.NEEDS_ATTENTION:
            return Occasion.NEEDS_ATTENTION
        case Result.PAUSED:
            return Occasion.PAUSED
        case Result.ROLLED_BACK:
            return Occasion.ROLLBACK_UNPROVEN if kind is Kind.DRILL else Occasion.ROLLED_BACK
        case Result.PROMOTED:
            told = {Kind.PROMOTE: Occasion.PROMOTED, Kind.REBUILD: Occasion.REBUILT}
            return {**told, Kind.ROLLBACK: Occasion.ROLLED_BACK}.get(kind)
        case Result.PROVEN | Result.REFUSED:
            return None


def _title(deployment: Deployment, outcome: Outcome, occasion: Occasion) -> str:
    release, what, phase = _release(deployment), _what(deployment), one_line(outcome.phase)
    failed = f"failed in {phase}" if phase else "failed"
    match occasion:
        case Occasion.PAUSED:
            title = f"{what} is paused before {phase}"
        case Occasion.NEEDS_ATTENTION:
            title = f"{what} needs attention" + (f", it {failed}" if phase else "")
        case Occasion.ROLLBACK_UNPROVEN:
            title = f"the drill of the rollback to {deployment.proves} {failed}"
        case Occasion.ROLLED_BACK if outcome.result is Result.ROLLED_BACK:
            title = f"{what} {_undone(deployment, outcome)}, {_serving(deployment)}"
        case Occasion.ROLLED_BACK:
            title = f"rolled back to {release}{_time(deployment)}"
        case Occasion.REBUILT:
            title = f"rebuilt, {release} serves{_time(deployment)}"
        case _:
            title = f"{release} serves{_time(deployment)}"
    return title


def _undone(deployment: Deployment, outcome: Outcome) -> str:
    """Return why a deployment went back; without a phase, a person or a later command undid it."""
    if not outcome.phase:
        return "was undone"
    how = "was interrupted" if outcome.interrupted else "failed"
    back = "was undone" if deployment.kind is Kind.ROLLBACK else "was rolled back"
    return f"{how} in {one_line(outcome.phase)} and {back}"


def _what(deployment: Deployment) -> str:
    to = "to" if deployment.kind is Kind.ROLLBACK else "of"
    return f"{deployment.kind} {to} {_release(deployment)}"


def _serving(deployment: Deployment) -> str:
    release = serves(deployment)
    return f"{release} serves" if release else "no release serves"


def _time(deployment: Deployment) -> str:
    seconds = took(deployment)
    return "" if seconds is None else f", {format_duration(seconds)}"


def _release(deployment: Deployment) -> str:
    """Return the release with its version and image: `r000125 (1.5.0, ami-2)`."""
    facts = [one_line(each) for each in (deployment.version, deployment.image) if each]
    return f"{deployment.green} ({', '.join(facts)})" if facts else deployment.green


def _notification(
    app: str, deployment: Deployment, occasion: Occasion, title: str, at: str, commit: str
) -> Notification:
    outcome = deployment.outcome if occasion is not Occasion.BEGAN else None
    return Notification(
        key=key_of(deployment, occasion),
        occasion=occasion,
        app=app,
        environment=deployment.environment,
        at=at,
        title=title,
        lines=lines_of(
            {
                "reason": outcome.reason if outcome else "",
                "rollback error": outcome.rollback_error if outcome else "",
                "paused until": _until(deployment) if occasion is Occasion.PAUSED else "",
                "next": _next(deployment, occasion),
                "abort": commands.abort(deployment.environment) if deployment.pause else "",
                "pause": _ended_pause(deployment),
                "removal pending": ", ".join(outcome.pending) if outcome else "",
                "changes": summary(deployment.changes) if deployment.changes else "",
                "by": deployment.beginner,
                "why": deployment.why,
                "override": deployment.override,
            }
        ),
        link=deployment.by.run,
        deployment=deployment.id,
        commit=commit,
        facts=_facts(deployment, outcome),
    )


def _ended_pause(deployment: Deployment) -> str:
    """Return who ended the last pause and why, empty without one that ended."""
    last = deployment.pauses[-1] if deployment.pauses else None
    if last is None or last.decision is None:
        return ""
    by = f"by {last.approver}" if last.approver.name else "because its time was over"
    return f"{last.decision} {by}" + (f": {last.reason}" if last.reason else "")


def _until(deployment: Deployment) -> str:
    pause = deployment.pauses[-1]
    return f"{format_utc(pause.until)}, then {pause.on_timeout}"


def _next(deployment: Deployment, occasion: Occasion) -> str:
    """Return the reader's next command, empty if nothing is to be done."""
    name, outcome = deployment.environment, deployment.outcome
    match occasion:
        case Occasion.PAUSED:
            return commands.resume(name)
        case Occasion.NEEDS_ATTENTION:
            return commands.after(outcome.remedy if outcome else "", commands.recover(name))
        case Occasion.ROLLBACK_UNPROVEN:
            return commands.report(deployment.id)
        case Occasion.ROLLED_BACK if outcome and outcome.result is Result.ROLLED_BACK:
            return commands.report(deployment.id)
        case _:
            return ""


def _facts(deployment: Deployment, outcome: Outcome | None) -> dict[str, Any]:
    """Return a deployment for a program; the names are those of `history --output json`."""
    return {
        "id": deployment.id,
        "kind": str(deployment.kind),
        "release": deployment.green,
        "previous": deployment.blue or None,
        "serves": serves(deployment) or None if outcome else None,
        "version": deployment.version or None,
        "ami_id": deployment.image or None,
        "began": deployment.began,
        "ended": deployment.ended or None,
        "seconds": took(deployment) if outcome else None,
        "outcome": str(outcome.result) if outcome else None,
        "phase": outcome.phase or None if outcome else None,
        "reason": one_line(outcome.reason, LONGEST) or None if outcome else None,
        "by": deployment.beginner,
        "why": deployment.why or None,
        "override": deployment.override or None,
        "removal_pending": list(outcome.pending) if outcome else [],
        "changes": summary(deployment.changes) or None if deployment.changes else None,
    }


def format_utc(time: str) -> str:
    """Return an ISO 8601 time in UTC: `2026-11-21 15:42 UTC`; readers have other zones."""
    try:
        return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return time
