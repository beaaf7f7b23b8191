"""How a deployment ended, for a person, a program, and the summary of a CI job."""

from __future__ import annotations

from typing import Any

from pipeline.core.state.deployment import Deployment, PhaseRun, Result
from pipeline.core.state.report import serves, took
from pipeline.ui import words
from pipeline.ui.text import duration, one_line, wrapped

LONGEST = 1000
"""Characters of a reason in a summary; GitHub takes 1 MiB for a step."""


def outcome_text(deployment: Deployment, width: int = 100) -> str:
    """Return who serves now, how it came about, and what to do, if anything."""
    rows = [
        ("outcome", _outcome(deployment)),
        ("asked", words.intent(deployment)),
        *_fault(deployment),
        ("phases", phases(deployment.phases)),
        ("id", one_line(deployment.id)),
    ]
    lines = [f"{name:<10} {wrapped(text, width, 11)}" for name, text in rows if text]
    if command := words.now(deployment):
        lines.append(f"{'now':<10} {command}")  # on one line, to be pasted
    return "\n".join([words.serving(deployment), "", *lines])


def _outcome(deployment: Deployment) -> str:
    result = str(deployment.outcome.result) if deployment.outcome else "running"
    seconds = took(deployment)
    return result if seconds is None else f"{result}, {duration(seconds)}"


def _fault(deployment: Deployment) -> list[tuple[str, str]]:
    outcome = deployment.outcome
    if outcome is None or outcome.result is Result.PROMOTED:
        return []
    return [
        ("phase", one_line(outcome.phase)),
        ("reason", one_line(outcome.reason)),
        ("rollback error", one_line(outcome.rollback_error)),
        ("left", _left(deployment)),
        ("evidence", one_line(outcome.evidence)),
    ]


def _left(deployment: Deployment) -> str:
    result = deployment.outcome.result if deployment.outcome else None
    if result is Result.REFUSED:
        return "nothing: nothing was touched"
    if result is not Result.ROLLED_BACK:
        return ""
    return f"{deployment.green}, dark, for a look" if deployment.keep_failed else "nothing"


def phases(runs: tuple[PhaseRun, ...]) -> str:
    """Return the phases with their times on one line, the failed ones marked."""
    return ", ".join(
        f"{one_line(run.name)} {duration(run.seconds)}" + (" (failed)" if run.fault else "")
        for run in runs
    )


def deployment_document(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment for a program."""
    outcome = deployment.outcome
    return {
        "id": deployment.id,
        "kind": str(deployment.kind),
        "environment": deployment.environment,
        "outcome": str(outcome.result) if outcome else None,
        "serves": serves(deployment),
        "release": deployment.green,
        "previous": deployment.blue,
        "ami_id": deployment.image,
        "version": deployment.version,
        "began": deployment.began,
        "ended": deployment.ended or None,
        "seconds": took(deployment),
        "by": {
            "user": deployment.by.user,
            "host": deployment.by.host,
            "pid": deployment.by.pid,
            "run": deployment.by.run or None,
        },
        "phase": (outcome.phase if outcome else deployment.phase) or None,
        "reason": (outcome.reason if outcome else deployment.reason) or None,
        "interrupted": outcome.interrupted if outcome else False,
        "rollback_error": (outcome.rollback_error if outcome else "") or None,
        "evidence": (outcome.evidence if outcome else "") or None,
        "phases": [
            {"name": run.name, "seconds": round(run.seconds, 3), "fault": run.fault or None}
            for run in deployment.phases
        ],
    }


def outcome_document(deployment: Deployment) -> dict[str, Any]:
    """Return how a deployment ended for a program: the same, and what to do now."""
    return {**deployment_document(deployment), "next": words.now(deployment) or None}


def unchanged_text(nothing: str, environment: str, release: str, ami_id: str) -> str:
    """Return that an image serves already; `nothing` is what the command calls that."""
    return f"{nothing}: {release} serves {environment} with {ami_id}"


def unchanged_document(environment: str, release: str, ami_id: str) -> dict[str, Any]:
    """Return the same for a program."""
    return {
        "outcome": "unchanged",
        "environment": environment,
        "release": release,
        "ami_id": ami_id,
    }


def step_summary(deployment: Deployment) -> str:
    """Return the outcome in Markdown, for a CI job's page: who serves, why, the phases."""
    rows = [
        ("outcome", _outcome(deployment)),
        ("asked", words.intent(deployment)),
        *_fault(deployment),
        ("deployment", deployment.id),
        ("next", words.now(deployment)),
    ]
    facts = "".join(f"| {name} | {_code(text)} |\n" for name, text in rows if text)
    runs = "".join(
        f"| {_code(run.name)} | {duration(run.seconds)} | {_code(run.fault) or 'done'} |\n"
        for run in deployment.phases
    )
    table = f"\n| phase | took | |\n|---|--:|---|\n{runs}" if runs else ""
    title = f"### {words.serving(deployment)}\n\n"
    return f"{title}| | |\n|---|---|\n{facts}{table}\n"


def _code(text: str) -> str:
    """Foreign words may hold Markdown and HTML; in a code span of a table neither is read."""
    plain = one_line(text, LONGEST).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""
