"""The sentences that more than one screen says of a deployment."""

from __future__ import annotations

from pipeline.core.state.deployment import Deployment, Kind, Result, Runner
from pipeline.core.state.report import serves
from pipeline.ui.text import one_line


def intent(deployment: Deployment) -> str:
    """Return what it is about: `promote r000124 (1.4.0, ami-1) in the place of r000123`."""
    if deployment.kind is Kind.RETIRE:
        return "retire what was kept warm long enough"
    if deployment.kind is Kind.ABORT:
        return f"remove {deployment.green}, which failed and was left for a look"
    facts = ", ".join(one_line(fact) for fact in (deployment.version, deployment.image) if fact)
    green = deployment.green + (f" ({facts})" if facts else "")
    verb = f"{deployment.kind} to" if deployment.kind is Kind.ROLLBACK else str(deployment.kind)
    place = f" in the place of {deployment.blue}" if deployment.blue else ", where nothing serves"
    return f"{verb} {green}{place}"


def serving(deployment: Deployment) -> str:
    """Return who serves the environment now that the deployment is over."""
    name, place = serves(deployment), one_line(deployment.environment)
    result = deployment.outcome.result if deployment.outcome else None
    if name is None:
        return f"what serves {place}, only AWS knows: ami-pipeline status -e {place}"
    if not name:
        lost = deployment.outcome is not None and deployment.outcome.rollback_error
        before = name == deployment.blue and not lost
        return f"nothing serves {place}" + (", as before" if before else "")
    if result in {Result.REFUSED, Result.ROLLED_BACK}:
        return f"{name} serves {place}, as before"
    again = " again" if deployment.kind is Kind.ROLLBACK and name == deployment.green else ""
    return f"{name} serves {place}{again}"


def ending(deployment: Deployment) -> str:
    """Return the outcome and who serves: `rolled back: r000123 serves production, as before`."""
    result = str(deployment.outcome.result) if deployment.outcome else "running"
    return f"{result}: {serving(deployment)}"


def fault(deployment: Deployment) -> str:
    """Return the phase and the reason of the fault, empty where there was none."""
    outcome = deployment.outcome
    if outcome is None or not (outcome.reason or outcome.phase):
        return ""
    told = ": ".join(one_line(word) for word in (outcome.phase, outcome.reason) if word)
    return told + (f"; then: {one_line(outcome.rollback_error)}" if outcome.rollback_error else "")


def well(deployment: Deployment) -> bool:
    """Return whether it ended as asked; an `abort` asks for a rollback."""
    result = deployment.outcome.result if deployment.outcome else None
    undone = deployment.kind is Kind.ABORT and result is Result.ROLLED_BACK
    return undone or result is Result.PROMOTED


def now(deployment: Deployment) -> str:
    """Return what the reader does next, empty where there is nothing to do."""
    outcome = deployment.outcome
    kind = Kind.PROMOTE if deployment.kind is Kind.RECOVER else deployment.kind
    again = f"ami-pipeline {kind} -e {deployment.environment}"
    if outcome is None:
        return f"ami-pipeline status -e {deployment.environment}"
    match outcome.result:
        case Result.PROMOTED:
            return ""
        case Result.NEEDS_ATTENTION:
            return f"ami-pipeline recover -e {deployment.environment}"
        case Result.REFUSED:
            return f"correct what the reason names, then: {again}"
        case Result.ROLLED_BACK if outcome.rollback_error:
            return f"ami-pipeline status -e {deployment.environment}"
        case Result.ROLLED_BACK:
            by_itself = outcome.interrupted or not outcome.reason
            return _after_rollback(deployment, again, by_itself=by_itself)


def _after_rollback(deployment: Deployment, again: str, *, by_itself: bool) -> str:
    """`by_itself` says that nothing is known to be wrong with what was to serve."""
    if deployment.kind is Kind.ABORT:
        return ""
    if deployment.keep_failed:
        return f"when you have seen enough: ami-pipeline abort -e {deployment.environment}"
    if by_itself:
        return f"when you like: {again}"
    if deployment.kind is Kind.ROLLBACK:
        return f"choose another release: ami-pipeline history -e {deployment.environment}"
    bake = f"ami-pipeline bake -e {deployment.environment}"
    return f"correct what the reason names, then: {bake} && {again}"


def runner(by: Runner) -> str:
    """Return who runs a deployment and where: `ada on ci-7`."""
    return f"{one_line(by.user)} on {one_line(by.host)}"
