"""Render the report of a deployment as one HTML file that needs no network and no script."""

from __future__ import annotations

from typing import Any

from pipeline import __version__
from pipeline.core.pausing.pause import AWS
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.journal import Entry
from pipeline.core.state.report import took
from pipeline.core.timeline.record import DeploymentRecord
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text
from pipeline.ui.changes import changes_text, summary_text
from pipeline.ui.reports import charts
from pipeline.ui.reports.pages import is_web_link, render
from pipeline.ui.text import one_line

STATES = {
    Result.PROMOTED: ("good", "✔"),
    Result.PROVEN: ("good", "✔"),
    Result.REFUSED: ("bad", "✖"),
    Result.ROLLED_BACK: ("bad", "↩"),
    Result.PAUSED: ("waiting", "‖"),
    Result.NEEDS_ATTENTION: ("bad", "!"),
}
"""The color and the icon of each result; a deployment without one is running."""
LAST_LINES = 12
"""Lines of the evidence on the first screen."""
MOST_STEPS = 200
"""Entries of the journal, the last ones."""


def report_html(record: DeploymentRecord) -> str:
    """Return the report as one HTML document."""
    return render("report.html.j2", {"page": "report", **report_facts(record)})


def report_facts(record: DeploymentRecord) -> dict[str, Any]:
    """Return what the templates show of a deployment."""
    deployment, spans = record.deployment, record.spans
    axis = charts.axis_of(deployment, spans, record.timeline)
    lines = [each.began for each in spans[1:]]
    return {
        "version": __version__,
        "deployment": deployment,
        **headline(deployment),
        "facts": facts(deployment),
        "failure": failure(record),
        "changes": _changes(deployment),
        "bars": charts.bars(spans, axis),
        "end": format_duration(axis.end),
        "members": _members(record, axis, lines),
        "requests": charts.request_chart(record.timeline, axis, lines, deployment.version),
        "activities": record.timeline.activities[::-1],
        "notes": record.timeline.notes,
        "steps": [_step(each) for each in record.journal[-MOST_STEPS:]],
        "texts": record.texts,
    }


def headline(deployment: Deployment) -> dict[str, str]:
    """Return the title, the outcome, its color and its icon."""
    result = result_of(deployment)
    color, icon = STATES[result] if result else ("running", "▸")
    if deployment_text.succeeded(deployment):
        color, icon = "good", "✔"
    title = deployment_text.format_serving(deployment)
    if result is None:
        title = f"{one_line(deployment.environment)} is being deployed"
    return {
        "title": title,
        "outcome": deployment_text.format_outcome(deployment),
        "color": color,
        "icon": icon,
        "request": deployment_text.format_request(deployment),
    }


def facts(deployment: Deployment) -> list[tuple[str, str, str]]:
    """Return labels with their texts, and a link for the text, empty for none."""
    seconds, run = took(deployment), deployment.by.run
    rows = [
        ("began", deployment.began, ""),
        ("duration", "" if seconds is None else format_duration(seconds), ""),
        ("by", _person(deployment), ""),
        ("CI job", run, run if is_web_link(run) else ""),
        ("why", deployment.why, ""),
        ("override", deployment.override, ""),
        ("paused", deployment_text.format_pause(deployment), ""),
        ("pauses", deployment_text.format_ended_pauses(deployment), ""),
        ("image", deployment.image, ""),
        ("version", deployment.version, ""),
        ("probe", str(deployment.probe) if deployment.probe else "", ""),
        ("analysis", deployment_text.format_analysis(deployment), ""),
        ("pending", deployment_text.format_pending(deployment), ""),
        ("adopted", deployment_text.format_adopted(deployment), ""),
        ("id", deployment.id, ""),
    ]
    return [(name, text, link) for name, text, link in rows if text]


def _person(deployment: Deployment) -> str:
    """Return who began it, with the identity of their credentials in AWS if that is known."""
    actor = deployment.actor
    known = f", {actor.name}" if actor.system == AWS and actor.name else ""
    return f"{deployment.beginner}{known}"


def failure(record: DeploymentRecord) -> dict[str, Any] | None:
    """Return what failed and why, for the first screen; None if nothing failed."""
    deployment = record.deployment
    outcome = deployment.outcome
    if outcome is None or deployment_text.succeeded(deployment) or deployment.pause:
        return None
    text = dict(record.texts).get(outcome.evidence.rpartition("/")[2], "")
    # What a member printed says more than the end of the file; earlier records have only that.
    printed = outcome.last_lines or text.rstrip().splitlines()[-LAST_LINES:]
    return {
        "phase": outcome.phase,
        "reason": outcome.reason,
        "rollback_error": outcome.rollback_error,
        "remaining": _consequence(deployment),
        "remedy": deployment_text.format_remedy(deployment),
        "next": split_command(deployment_text.next_step(deployment)),
        "evidence": "\n".join(printed),
        "evidence_at": outcome.evidence,
        "hook_errors": outcome.hook_errors,
    }


def split_command(text: str) -> tuple[str, str]:
    """Return the words before a command, and the command: `fix it, then` and `ami-pipeline ...`."""
    words, name, rest = text.partition("ami-pipeline ")
    return words.strip().removesuffix(":"), name + rest


def _consequence(deployment: Deployment) -> str:
    """Return what users noticed and what serves, in a sentence or two."""
    serving = deployment_text.format_serving(deployment)
    totals = deployment.probe
    if deployment.kind is Kind.DRILL or totals is None:
        return f"{serving}."
    failed = f"{totals.failures:,} of {totals.requests:,} requests of the probe failed"
    return f"{serving}. {failed}."


def _changes(deployment: Deployment) -> dict[str, Any] | None:
    """Return what the release brings, None if it is not recorded or nothing differs."""
    lines = changes_text(deployment.changes)
    if deployment.changes is None or not lines:
        return None
    link = deployment.changes.commits.link
    return {
        "summary": summary_text(deployment.changes),
        "lines": lines,
        "link": link if is_web_link(link) else "",
    }


def _members(record: DeploymentRecord, axis: charts.Axis, lines: list[float]) -> list[charts.Chart]:
    deployment, timeline = record.deployment, record.timeline
    seen = {each.release for point in timeline.points for each in point.groups}
    roles = {deployment.blue: "before", deployment.green: "new"}
    found = [each for each in dict.fromkeys((deployment.blue, deployment.green)) if each in seen]
    return [charts.member_chart(timeline, each, roles[each], axis, lines) for each in found]


def _step(entry: Entry) -> dict[str, str]:
    shown = ", ".join(f"{name} {value}" for name, value in entry.facts.items())
    return {"at": entry.at, "kind": entry.kind, "step": entry.step, "facts": one_line(shown, 300)}
