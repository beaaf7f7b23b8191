"""Render the deployments of an environment, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.report import took
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text
from pipeline.ui.changes import summary_text
from pipeline.ui.outcome import deployment_document, phases
from pipeline.ui.text import age, below, folded, one_line, table, without, wrapped

_HEADINGS = ("OUTCOME", "KIND", "RELEASES", "VERSION", "WHEN", "DURATION", "BY")
_FOLDS = ("BY", "VERSION", "DURATION")
_INDENT = 13


def history_text(
    deployments: Iterable[Deployment],
    now: datetime,
    environment: str,
    width: int = 100,
    columns: int | None = None,
) -> str:
    """Return each deployment: a line of facts, then its image, its phases and its failure.

    `width` is that of the lines below; the line of facts fits `columns`, None for any width.
    """
    newest = _newest(deployments)
    if not newest:
        return f"no deployments yet\nnext: {commands.promote(environment)}"
    rows = [_row(each, now) for each in newest]
    gone = folded([_HEADINGS, *rows], columns, _FOLDS)
    heading, *lines = table([without(row, _HEADINGS, gone) for row in (_HEADINGS, *rows)])
    blocks = [
        "\n".join([line, *_details(each, now, width, below(row, _HEADINGS, gone))])
        for line, row, each in zip(lines, rows, newest, strict=True)
    ]
    return "\n".join([heading, *blocks])


def history_document(deployments: Iterable[Deployment]) -> dict[str, Any]:
    """Return the deployments for a program."""
    return {"deployments": [deployment_document(each) for each in _newest(deployments)]}


def _newest(deployments: Iterable[Deployment]) -> list[Deployment]:
    return sorted(deployments, key=lambda each: each.began, reverse=True)


def _row(deployment: Deployment, now: datetime) -> tuple[str, ...]:
    seconds = took(deployment)
    return (
        deployment_text.format_outcome(deployment),
        str(deployment.kind),
        _releases(deployment),
        one_line(deployment.version, 15) or "-",
        f"{age(deployment.began, now)} ago",
        "-" if seconds is None else format_duration(seconds),
        one_line(deployment.beginner),
    )


def _releases(deployment: Deployment) -> str:
    """Return what replaced what; a removal replaces nothing."""
    before, after = deployment.blue or "-", deployment.green or "-"
    return after if before == after else f"{before} -> {after}"


def _details(deployment: Deployment, now: datetime, width: int, facts: Sequence[str]) -> list[str]:
    outcome = deployment.outcome
    failed = outcome is not None and not deployment_text.succeeded(deployment)
    errors = outcome.hook_errors if outcome else ()
    rows = (
        ", ".join(facts),
        ", ".join(text for text in (deployment.image, deployment.by.run) if text),
        f"why: {one_line(deployment.why)}" if deployment.why else "",
        f"override: {one_line(deployment.override)}" if deployment.override else "",
        f"changes: {changes}" if (changes := summary_text(deployment.changes)) else "",
        phases(deployment.phases),
        f"paused {paused}" if (paused := deployment_text.format_pause(deployment, now)) else "",
        f"paused {ended}" if (ended := deployment_text.format_ended_pauses(deployment)) else "",
        deployment_text.format_failure(deployment) if failed else "",
        f"probe: {deployment_text.format_probe(deployment)}" if deployment.probe else "",
        f"analysis: {deployment_text.format_analysis(deployment)}" if deployment.analysis else "",
        f"hook error: {one_line('; '.join(errors))}" if errors else "",
        f"left for later: the removal of {', '.join(outcome.pending)}"
        if outcome and outcome.pending
        else "",
        f"evidence: {one_line(outcome.evidence)}" if outcome and outcome.evidence else "",
    )
    return [" " * _INDENT + wrapped(one_line(text), width, _INDENT) for text in rows if text]
