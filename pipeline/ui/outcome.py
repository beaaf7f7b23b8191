"""Render the outcome of a deployment: as text, as JSON, and as the summary of a CI job."""

from __future__ import annotations

from typing import Any

from pipeline.core.analysis.record import PhaseAnalysis
from pipeline.core.deploy.plan import Unchanged
from pipeline.core.probe.tally import ProbeTotals
from pipeline.core.state.deployment import Deployment, Outcome, PhaseRun, Result
from pipeline.core.state.report import serves, took
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text
from pipeline.ui.changes import changes_document, summary_text
from pipeline.ui.text import one_line, wrapped

LONGEST = 1000
"""The longest text in a summary in characters; GitHub allows 1 MiB for a step."""


def outcome_text(deployment: Deployment, width: int = 100) -> str:
    """Return the serving release, the facts of the deployment and the next command, if any."""
    rows = [
        ("outcome", _outcome(deployment)),
        ("request", deployment_text.format_request(deployment)),
        ("why", one_line(deployment.why)),
        ("override", one_line(deployment.override)),
        ("changes", summary_text(deployment.changes)),
        ("paused", deployment_text.format_pause(deployment)),
        ("pauses", deployment_text.format_ended_pauses(deployment)),
        *_failure(deployment),
        ("probe", deployment_text.format_probe(deployment)),
        ("analysis", deployment_text.format_analysis(deployment)),
        ("phases", phases(deployment.phases)),
        ("pending", deployment_text.format_pending(deployment)),
        ("adopted", deployment_text.format_adopted(deployment)),
        ("id", one_line(deployment.id)),
    ]
    labels = max(11, *(len(name) + 2 for name, text in rows if text))
    lines = [f"{name:<{labels}}{wrapped(text, width, labels)}" for name, text in rows if text]
    lines += _last_lines(deployment.outcome, labels, width)
    # Not wrapped, so that they can be pasted.
    pasted = [(name, command) for name, command in _commands(deployment) if command]
    lines += [f"{name:<{labels}}{command}" for name, command in pasted]
    return "\n".join([deployment_text.format_serving(deployment), "", *lines])


def _commands(deployment: Deployment) -> list[tuple[str, str]]:
    """Return the reader's next commands; a paused deployment is resumed or undone."""
    return [
        ("resume" if deployment.pause else "next", deployment_text.next_step(deployment)),
        ("abort", deployment_text.to_abort(deployment)),
        ("removal", deployment_text.removal(deployment)),
    ]


def _outcome(deployment: Deployment) -> str:
    result = deployment_text.format_outcome(deployment)
    seconds = took(deployment)
    return result if seconds is None else f"{result}, {format_duration(seconds)}"


def _failure(deployment: Deployment) -> list[tuple[str, str]]:
    outcome = deployment.outcome
    if outcome is None or outcome.result is Result.PAUSED:
        return []
    if outcome.result in {Result.PROMOTED, Result.PROVEN}:
        return [("evidence", one_line(outcome.evidence)), *_hook_errors(outcome)]
    return [
        ("phase", one_line(outcome.phase)),
        ("reason", one_line(outcome.reason)),
        ("rollback error", one_line(outcome.rollback_error)),
        ("remaining", _remaining(deployment)),
        ("evidence", one_line(outcome.evidence)),
        ("remedy", deployment_text.format_remedy(deployment)),
        *_hook_errors(outcome),
    ]


def _last_lines(outcome: Outcome | None, indent: int, width: int) -> list[str]:
    """Return whose lines they are, and below it the last lines that an unhealthy member printed."""
    source, *printed = (outcome.last_lines if outcome else ()) or ("",)
    if not printed:
        return []
    room = max(width - 4, 20)
    return [
        f"{'last lines':<{indent}}{one_line(source)}",
        *(f"  | {one_line(line, room)}".rstrip() for line in printed),
    ]


def _hook_errors(outcome: Outcome) -> list[tuple[str, str]]:
    """Return the hooks that failed when the outcome was decided."""
    return [("hook error", one_line(each)) for each in outcome.hook_errors]


def _remaining(deployment: Deployment) -> str:
    result = deployment.outcome.result if deployment.outcome else None
    if result is Result.REFUSED:
        return "none, because nothing was changed"
    if result is not Result.ROLLED_BACK:
        return ""
    return f"{deployment.green}, detached, for debugging" if deployment.keep_failed else "none"


def phases(runs: tuple[PhaseRun, ...]) -> str:
    """Return the phases with their durations on one line, each failed one marked."""
    return ", ".join(
        f"{one_line(run.name)} {format_duration(run.seconds)}" + (" (failed)" if run.fault else "")
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
        "changes": changes_document(deployment.changes),
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
        "pauses": [deployment_text.pause_document(each) for each in deployment.pauses],
        "actor": deployment_text.actor_document(deployment.actor),
        "why": deployment.why or None,
        "override": deployment.override or None,
        "reason": (outcome.reason if outcome else deployment.reason) or None,
        "interrupted": outcome.interrupted if outcome else False,
        "rollback_error": (outcome.rollback_error if outcome else "") or None,
        "evidence": (outcome.evidence if outcome else "") or None,
        "last_lines": list(outcome.last_lines) if outcome else [],
        "remedy": deployment_text.format_remedy(deployment) or None,
        "hook_errors": list(outcome.hook_errors) if outcome else [],
        "removal_pending": list(outcome.pending) if outcome else [],
        "probe": _probe_document(deployment.probe),
        "analysis": [_analysis_document(each) for each in deployment.analysis],
        "adopted": deployment_text.adopted_document(deployment_text.left_adopted(deployment)),
        "phases": [
            {"name": run.name, "seconds": round(run.seconds, 3), "failure": run.fault or None}
            for run in deployment.phases
        ],
    }


def _probe_document(totals: ProbeTotals | None) -> dict[str, Any] | None:
    if totals is None:
        return None
    return {
        "requests": totals.requests,
        "failed": totals.failures,
        "not_sent": totals.unsent,
        "file": totals.file or None,
    }


def _analysis_document(analyzed: PhaseAnalysis) -> dict[str, Any]:
    return {
        "phase": analyzed.phase,
        "result": str(analyzed.judgment.result),
        "comparisons": [
            {"name": each.name, "result": str(each.result), "reason": each.sentence}
            for each in analyzed.findings
        ],
    }


def outcome_document(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment for a program, with the next command."""
    return {
        **deployment_document(deployment),
        "next": deployment_text.next_step(deployment) or None,
        "abort": deployment_text.to_abort(deployment) or None,
    }


def unchanged_text(nothing: str, unchanged: Unchanged) -> str:
    """Return the text for an image that is already serving; `nothing` begins the line."""
    if unchanged.why:
        return f"{nothing}: {one_line(unchanged.why)}"
    release, ami_id = unchanged.release, unchanged.image.id
    if unchanged.note:
        about = f"{release} of {unchanged.environment} has {ami_id} already"
        return f"{nothing}: {about}; {one_line(unchanged.note)}"
    return f"{nothing}: {release} already serves {unchanged.environment} with {ami_id}"


def unchanged_document(unchanged: Unchanged) -> dict[str, Any]:
    """Return the document for an image that is already serving."""
    return {
        "outcome": "unchanged",
        "environment": unchanged.environment,
        "release": unchanged.release,
        "ami_id": unchanged.image.id,
        "note": unchanged.note or None,
        "why": unchanged.why or None,
    }


def step_summary(deployment: Deployment) -> str:
    """Return the outcome in Markdown, for the page of a CI job."""
    rows = [
        ("outcome", _outcome(deployment)),
        ("request", deployment_text.format_request(deployment)),
        ("why", one_line(deployment.why)),
        ("override", one_line(deployment.override)),
        ("changes", summary_text(deployment.changes)),
        ("paused", deployment_text.format_pause(deployment)),
        ("pauses", deployment_text.format_ended_pauses(deployment)),
        *_failure(deployment),
        ("probe", deployment_text.format_probe(deployment)),
        ("analysis", deployment_text.format_analysis(deployment)),
        ("deployment", deployment.id),
        ("pending", deployment_text.format_pending(deployment)),
        ("adopted", deployment_text.format_adopted(deployment)),
        *_commands(deployment),
    ]
    facts = "".join(f"| {name} | {_code(text)} |\n" for name, text in rows if text)
    runs = "".join(
        f"| {_code(run.name)} | {format_duration(run.seconds)} | {_code(run.fault) or 'done'} |\n"
        for run in deployment.phases
    )
    table = f"\n| phase | duration | |\n|---|--:|---|\n{runs}" if runs else ""
    title = f"### {deployment_text.format_serving(deployment)}\n\n"
    return f"{title}| | |\n|---|---|\n{facts}{table}\n"


def _code(text: str) -> str:
    """Return foreign text as a code span of a table, where Markdown and HTML have no effect."""
    plain = one_line(text, LONGEST).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""
