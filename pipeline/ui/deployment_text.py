"""Describe a deployment in the sentences that several screens share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.pausing.pause import Actor, Approval, Pause
from pipeline.core.state.deployment import Deployment, Kind, Result, Runner
from pipeline.core.state.release import AdoptedGroup
from pipeline.core.state.report import seconds_between, serves, took
from pipeline.core.times import format_duration
from pipeline.ui.text import one_line

LONGEST_ANALYSIS = 2000
"""Characters of the results of all phases."""


def format_request(deployment: Deployment) -> str:
    """Return what was requested: `promote r000124 (1.4.0, ami-1), replacing r000123`."""
    if deployment.kind is Kind.RETIRE:
        return "remove the groups that are not needed any longer"
    if deployment.kind is Kind.DESTROY:
        return f"destroy {one_line(deployment.environment)}"
    if deployment.kind is Kind.ABORT:
        return f"remove {deployment.green}, which failed and was kept for debugging"
    if deployment.kind is Kind.DRILL and deployment.warm:
        return f"drill of a rollback to {deployment.proves}, which is warm"
    facts = ", ".join(one_line(fact) for fact in (deployment.version, deployment.image) if fact)
    green = deployment.green + (f" ({facts})" if facts else "")
    if deployment.kind is Kind.DRILL:
        return f"drill of a rollback to {deployment.proves}, as {green}"
    verb = f"{deployment.kind} to" if deployment.kind is Kind.ROLLBACK else str(deployment.kind)
    return f"{verb} {green}{_replaced(deployment)}"


def _replaced(deployment: Deployment) -> str:
    if deployment.blue:
        group = f" ({one_line(deployment.adopted.name)})" if deployment.adopted else ""
        return f", replacing {deployment.blue}{group}"
    first = deployment.green == "r000001"
    return " as the first release" if first else " while no managed release serves"


def format_serving(deployment: Deployment) -> str:
    """Return which release serves the environment after the deployment."""
    name, place = serves(deployment), one_line(deployment.environment)
    if deployment.outcome is None:
        return f"{deployment.kind} of {place} has not ended; see: {commands.status(place)}"
    result = deployment.outcome.result
    if name is None:
        return f"the serving release of {place} is unknown; see: {commands.status(place)}"
    if not name:
        lost = deployment.outcome.rollback_error
        destroyed = deployment.kind is Kind.DESTROY
        unchanged = name == deployment.blue and not lost and not destroyed
        none = f"no managed release serves {place}"
        if deployment.worker:
            return none
        return f"{none}; its load balancers are unchanged" if unchanged else none
    still = result is Result.PAUSED and name == deployment.blue
    if still or result in {Result.PROVEN, Result.REFUSED, Result.ROLLED_BACK}:
        return f"{name} still serves {place}"
    again = " again" if deployment.kind is Kind.ROLLBACK and name == deployment.green else ""
    return f"{name} serves {place}{again}"


def format_outcome(deployment: Deployment) -> str:
    """Return the outcome in words: a completed rollback is `rolled back to r000123`."""
    if deployment.outcome is None:
        return "running"
    result = deployment.outcome.result
    if result is Result.PROMOTED and deployment.kind is Kind.ROLLBACK:
        return f"rolled back to {deployment.green}"
    if result is Result.PROMOTED and deployment.kind is Kind.RETIRE:
        return "retired"
    if result is Result.PROMOTED and deployment.kind is Kind.DESTROY:
        return "destroyed"
    if deployment.kind is Kind.DRILL and result in _OF_DRILLS:
        return _OF_DRILLS[result]
    return str(result)


_OF_DRILLS = {Result.PROVEN: "rollback proven", Result.ROLLED_BACK: "rollback not proven"}


def format_ending(deployment: Deployment) -> str:
    """Return the outcome, the serving release and the only duration of the whole deployment.

    `promoted: r000124 serves production (3m 32s)`.
    """
    text, seconds = f"{format_outcome(deployment)}: {format_serving(deployment)}", took(deployment)
    return text if seconds is None else f"{text} ({format_duration(seconds)})"


def format_pause(deployment: Deployment, now: datetime | None = None) -> str:
    """Return the pause that lasts, empty without one; times are in the zone of `now`."""
    if deployment.pause is None:
        return ""
    now = now or datetime.fromisoformat(deployment.pause.since).astimezone()
    text = deployment.pause.describe(deployment.beginner, now)
    another = deployment.pause.approval is Approval.ANOTHER
    return one_line(f"{text}; another person must resume it" if another else text)


def format_ended_pause(pause: Pause) -> str:
    """Return how a pause ended: `before drain for 2h 05m, resumed by bob (GitLab): it works`."""
    seconds = seconds_between(pause.since, pause.ended)
    lasted = "" if seconds is None else f" for {format_duration(seconds)}"
    by = f" by {pause.approver}" if pause.approver.name else " because its time was over"
    reason = f": {pause.reason}" if pause.reason else ""
    return one_line(f"before {pause.before}{lasted}, {pause.decision}{by}{reason}")


def format_ended_pauses(deployment: Deployment) -> str:
    """Return how the pauses of a deployment ended, empty without any."""
    return "; ".join(format_ended_pause(each) for each in deployment.pauses if each.decision)


def actor_document(actor: Actor) -> dict[str, str] | None:
    """Return a person for a program, None if unknown."""
    return {"system": actor.system, "name": actor.name} if actor.name else None


def pause_document(pause: Pause) -> dict[str, Any]:
    """Return a pause for a program."""
    return {
        "before": pause.before,
        "since": pause.since,
        "until": pause.until,
        "on_timeout": str(pause.on_timeout),
        "approval": str(pause.approval),
        "ended": pause.ended or None,
        "decision": str(pause.decision) if pause.decision else None,
        "approver": actor_document(pause.approver),
        "reason": pause.reason or None,
    }


def format_failure(deployment: Deployment) -> str:
    """Return the phase and the reason of the failure, empty if there was none."""
    outcome = deployment.outcome
    if outcome is None or outcome.result is Result.PAUSED or not (outcome.reason or outcome.phase):
        return ""
    failure = ": ".join(one_line(word) for word in (outcome.phase, outcome.reason) if word)
    if not outcome.rollback_error:
        return failure
    return f"{failure}; rollback error: {one_line(outcome.rollback_error)}"


def format_probe(deployment: Deployment) -> str:
    """Return the probe's totals and where its failures are: `6,200 requests, 0 failed`."""
    totals = deployment.probe
    if totals is None:
        return ""
    return f"{totals}; see {one_line(totals.file)}" if totals.file else str(totals)


def format_analysis(deployment: Deployment) -> str:
    """Return the result of each analyzed phase: `step-1 pass; soak inconclusive (...)`."""
    return one_line("; ".join(map(str, deployment.analysis)), LONGEST_ANALYSIS)


def succeeded(deployment: Deployment) -> bool:
    """Return True if it ended as requested; an `abort` requests a rollback."""
    result = deployment.outcome.result if deployment.outcome else None
    aborted = deployment.kind is Kind.ABORT and result is Result.ROLLED_BACK
    return aborted or result in {Result.PROMOTED, Result.PROVEN}


def format_remedy(deployment: Deployment) -> str:
    """Return what the error says to do before `next_step`, empty if that says all."""
    outcome = deployment.outcome
    if outcome is None or outcome.result is not Result.NEEDS_ATTENTION:
        return ""
    return commands.before(one_line(outcome.remedy), commands.recover(deployment.environment))


def next_step(deployment: Deployment) -> str:
    """Return the reader's next command, empty if there is nothing to do."""
    outcome, name = deployment.outcome, deployment.environment
    if outcome is None:
        return commands.status(name)
    match outcome.result:
        case Result.PROMOTED | Result.PROVEN:
            return ""
        case Result.PAUSED | Result.NEEDS_ATTENTION:
            return commands.resume(name) if deployment.pause else commands.recover(name)
        case Result.REFUSED:
            return f"fix the cause above, then: {_again(deployment, deployment.image)}"
        case Result.ROLLED_BACK:
            if outcome.rollback_error:
                return commands.status(name)
            without_cause = outcome.interrupted or not outcome.reason
            return _after_rollback(deployment, without_cause=without_cause)


def to_abort(deployment: Deployment) -> str:
    """Return the command that undoes a paused deployment, empty for another one."""
    return commands.abort(deployment.environment) if deployment.pause else ""


def _again(deployment: Deployment, image: str = "") -> str:
    """Return the command of a deployment; a promotion is of this image, or of the newest one."""
    name = deployment.environment
    if deployment.kind in {Kind.PROMOTE, Kind.RECOVER, Kind.RETIRE}:
        return commands.promote(name, image)
    if deployment.kind is Kind.DRILL:
        return commands.drill(name)
    return commands.of_environment(str(deployment.kind), name)


def _after_rollback(deployment: Deployment, *, without_cause: bool) -> str:
    """Return the next command; `without_cause` says that green is not known to be faulty."""
    if deployment.kind is Kind.ABORT:
        return ""
    if deployment.keep_failed:
        return f"when debugging is done: {commands.abort(deployment.environment)}"
    if without_cause:
        return f"to retry: {_again(deployment, deployment.image)}"
    if deployment.kind is Kind.DRILL:
        return f"{_fix(deployment)}, then: {_again(deployment)}"
    if deployment.kind is Kind.ROLLBACK:
        return f"choose another release: {commands.history(deployment.environment)}"
    bake = commands.bake(deployment.environment)
    return f"{_fix(deployment)}, then: {bake} && {_again(deployment)}"


def _fix(deployment: Deployment) -> str:
    """Return the error's remedy; a command of this program only shows more about the cause."""
    remedy = one_line(deployment.outcome.remedy) if deployment.outcome else ""
    is_view = remedy.startswith("ami-pipeline ")
    return remedy if remedy and not is_view else "fix the cause above"


def left_adopted(deployment: Deployment) -> AdoptedGroup | None:
    """Return the adopted group that a deployment replaced: it stays, detached."""
    replaced = serves(deployment) == deployment.green not in {"", deployment.blue}
    return deployment.adopted if replaced else None


def format_pending(deployment: Deployment) -> str:
    """Return which removal a deployment left for a later command, empty for none."""
    names = ", ".join(map(one_line, _pending(deployment)))
    return f"removal of {names}, which the next deployment does first" if names else ""


def _pending(deployment: Deployment) -> tuple[str, ...]:
    return deployment.outcome.pending if deployment.outcome else ()


def format_adopted(deployment: Deployment) -> str:
    """Return what to do about the adopted group that was replaced, empty without one."""
    group = left_adopted(deployment)
    return f"{one_line(group.name)} stays, detached: {keep_detached(group)}" if group else ""


def keep_detached(group: AdoptedGroup) -> str:
    """Return what keeps an adopted group detached: its owner would attach it again."""
    return f"{one_line(group.release_in_owner)}, which would attach it again"


def removal(deployment: Deployment) -> str:
    """Return the command that deletes the group that was replaced and still exists, or nothing."""
    group = left_adopted(deployment)
    later = commands.recover(deployment.environment) if _pending(deployment) else ""
    return group.delete if group else later


def adopted_document(group: AdoptedGroup | None) -> dict[str, Any] | None:
    """Return an adopted group for a program, None without one."""
    if group is None:
        return None
    return {
        "group": group.name,
        "launches": group.launches or None,
        "stack": group.stack or None,
        "delete": group.delete,
    }


def format_runner(by: Runner) -> str:
    """Return the user and the machine of a deployment: `ada on ci-7`."""
    return f"{one_line(by.user)} on {one_line(by.host)}"
