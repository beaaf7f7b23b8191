"""What was deployed, newest first, for a person or a program."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipeline.core.state.deployment import Deployment
from pipeline.core.state.report import took
from pipeline.ui import words
from pipeline.ui.outcome import deployment_document, phases
from pipeline.ui.text import age, duration, one_line, table, wrapped

_HEADINGS = ("OUTCOME", "KIND", "RELEASES", "VERSION", "WHEN", "TOOK", "BY")
_INDENT = 13


def history_text(deployments: Iterable[Deployment], now: datetime, width: int = 100) -> str:
    """Return each deployment: one line of facts, below it the image, the phases, the fault."""
    newest = _newest(deployments)
    if not newest:
        return "no deployments yet: ami-pipeline promote makes the first"
    heading, *lines = table([_HEADINGS, *(_row(each, now) for each in newest)])
    blocks = [
        "\n".join([line, *_details(each, width)]) for line, each in zip(lines, newest, strict=True)
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
        str(deployment.outcome.result) if deployment.outcome else "running",
        str(deployment.kind),
        f"{deployment.blue or '-'} -> {deployment.green or '-'}",
        one_line(deployment.version, 20) or "-",
        f"{age(deployment.began, now)} ago",
        "-" if seconds is None else duration(seconds),
        words.runner(deployment.by),
    )


def _details(deployment: Deployment, width: int) -> list[str]:
    outcome = deployment.outcome
    failed = outcome is not None and not words.well(deployment)
    rows = (
        ", ".join(text for text in (deployment.image, deployment.by.run) if text),
        phases(deployment.phases),
        words.fault(deployment) if failed else "",
        f"evidence: {one_line(outcome.evidence)}" if outcome and outcome.evidence else "",
    )
    return [" " * _INDENT + wrapped(one_line(text), width, _INDENT) for text in rows if text]
