"""Render the pages of the dashboard from what the app has read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import __version__
from pipeline.core.changes.lineage import LineageReport
from pipeline.core.errors import PipelineError
from pipeline.core.image import Image, ImageStatus
from pipeline.core.overview import Overview
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.report import took
from pipeline.core.state.status import Status
from pipeline.core.timeline.record import DeploymentRecord
from pipeline.core.times import format_duration
from pipeline.ui import icons
from pipeline.ui.deployment_text import (
    format_failure,
    format_outcome,
    format_request,
    succeeded,
)
from pipeline.ui.freezing.freezes import format_freezes
from pipeline.ui.housekeeping.overview import overview_row
from pipeline.ui.reports.html_report import headline, report_facts
from pipeline.ui.reports.pages import render
from pipeline.ui.status import pasted_rows, status_rows, status_title
from pipeline.ui.status_tree import nodes
from pipeline.ui.text import age, one_line

COLORS = {icons.DONE: "good", icons.FAILED: "bad", icons.STARTING: "waiting"}


def overview_page(app: str, found: Sequence[Overview], now: datetime) -> str:
    """Return the page of all environments."""
    return _page("overview.html.j2", "environments", app, rows=_overview_rows(found, now))


def overview_part(found: Sequence[Overview], now: datetime) -> str:
    """Return the part of that page that changes."""
    return render("overview_live.html.j2", {"rows": _overview_rows(found, now)})


def _overview_rows(found: Sequence[Overview], now: datetime) -> list[dict[str, str]]:
    names = ("name", "serving", "version", "image_age", "newer", "in_flight", "health")
    rows = [dict(zip(names, overview_row(each, now), strict=True)) for each in found]
    for row, each in zip(rows, found, strict=True):
        row |= {
            "error": each.error,
            "color": COLORS.get(row["health"][:1], "soft"),
            "frozen": format_freezes(each.status.frozen, now) if each.status else "",
        }
    return rows


def environment_page(app: str, facts: dict[str, Any], names: Sequence[str]) -> str:
    """Return the page of one environment; `facts` are those of `environment_facts`."""
    return _page("environment.html.j2", "environments", app, names=names, **facts)


def environment_part(facts: dict[str, Any]) -> str:
    """Return the part of that page that changes."""
    return render("environment_live.html.j2", facts)


def environment_facts(
    name: str,
    found: Status | Environment,
    problems: Sequence[str],
    history: Iterable[Deployment],
    running: DeploymentRecord | None,
    now: datetime,
) -> dict[str, Any]:
    """Return what the page of an environment shows: its status, else what the store says.

    `problems` are what could not be read.
    """
    status = found if isinstance(found, Status) else None
    report = report_facts(running) if running else None
    waiting = running.timeline.points[-1].waiting if running and running.timeline.points else ""
    return {
        "name": name,
        "problems": problems,
        "title": status_title(status) if status else name,
        "facts": _stored(found) if isinstance(found, Environment) else status_rows(found, now),
        "pasted": pasted_rows(status) if status else [],
        "nodes": [(each, COLORS.get(each.icon, "soft")) for each in nodes(status, now)]
        if status
        else [],
        "running": report,
        "waiting": waiting,
        "history": [_history_row(each, now) for each in history],
    }


def _stored(document: Environment) -> list[tuple[str, str]]:
    """Return what the store says of an environment that AWS does not show."""
    record = document.releases.get(document.serving)
    rows = [
        ("serving", f"{document.serving}, as recorded" if document.serving else ""),
        ("version", record.version if record else ""),
        ("image", record.release.ami_id if record else ""),
        ("in flight", format_request(document.deployment) if document.deployment else ""),
    ]
    return [(name, text) for name, text in rows if text]


def _history_row(deployment: Deployment, now: datetime) -> dict[str, str]:
    seconds = took(deployment)
    shown = headline(deployment)
    return {
        "id": deployment.id,
        "color": shown["color"],
        "icon": shown["icon"],
        "outcome": format_outcome(deployment),
        "kind": str(deployment.kind),
        "releases": f"{deployment.blue or '-'} → {deployment.green or '-'}",
        "version": deployment.version,
        "when": f"{age(deployment.began, now)} ago",
        "duration": "" if seconds is None else format_duration(seconds),
        "by": one_line(deployment.beginner),
        "why": deployment.why,
        "failure": "" if succeeded(deployment) else format_failure(deployment),
    }


def deployment_page(app: str, record: DeploymentRecord) -> str:
    """Return the page of one deployment: its report."""
    return _page("dashboard_report.html.j2", "environments", app, **report_facts(record))


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRow:
    """One image with its depth in the tree, its age, its status and what uses it."""

    image: Image
    depth: int
    age: str
    color: str
    status: str
    uses: tuple[str, ...]


def images_page(
    app: str,
    report: LineageReport | None,
    environments: Sequence[Environment],
    error: str,
    now: datetime,
) -> str:
    """Return the page of the images with their lineage: each below the one it was built on."""
    rows = list(_image_rows(report, environments, now)) if report else []
    return _page("images.html.j2", "images", app, rows=rows, error=error)


def _image_rows(
    report: LineageReport, environments: Sequence[Environment], now: datetime
) -> Iterator[ImageRow]:
    seen = set[str]()

    def below(images: Iterable[Image], depth: int) -> Iterator[tuple[Image, int]]:
        for image in images:
            if image.id in seen:
                continue  # A cycle, which only tags by hand make.
            seen.add(image.id)
            yield image, depth
            yield from below(report.lineage.built_directly_on(image), depth + 1)

    for image, depth in below(report.lineage.roots(report.app), 0):
        base = report.lineage.quarantined_base(image)
        is_good = image.status is ImageStatus.GOOD and base is None
        usages = (f"{each.kind} {each.name}" for each in report.uses.get(image.id, ()))
        yield ImageRow(
            image=image,
            depth=depth,
            age=age(image.created, now),
            color="good" if is_good else "bad",
            status=f"{image.status}, on quarantined {base.id}" if base else str(image.status),
            uses=(*_releases(image, environments), *usages),
        )


def _releases(image: Image, environments: Iterable[Environment]) -> Iterator[str]:
    """Yield the releases of an image that the environments keep."""
    ids = set(image.ids.values())
    for each in environments:
        for name, record in sorted(each.releases.items()):
            if record.release.ami_id in ids:
                serves = ", serving" if name == each.serving else ""
                yield f"{each.environment} {name}{serves}"


def error_page(app: str, error: PipelineError) -> str:
    """Return the page of an error with its next step."""
    return _page("error.html.j2", "", app, error=error, with_place=False)


def error_part(error: PipelineError) -> str:
    """Return an error in place of the part of a page that changes."""
    return render("error_live.html.j2", {"error": error, "with_place": True})


def _page(template: str, page: str, app: str, **facts: Any) -> str:
    return render(template, {"version": __version__, "page": page, "app": app, **facts})
