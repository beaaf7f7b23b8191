"""Render all environments on one screen: one line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.overview import Overview
from pipeline.core.state.deployment import Result
from pipeline.core.state.environment import ReleaseRecord
from pipeline.core.state.report import seconds_between
from pipeline.core.state.status import Status
from pipeline.ui import icons
from pipeline.ui.freezing.freezes import format_freezes, freezes_document
from pipeline.ui.results import image_document
from pipeline.ui.status import format_latest, format_removal, health
from pipeline.ui.status_document import latest_document
from pipeline.ui.text import age, fitted, one_line, wrapped

_FOLDS = ("NEWER", "IN FLIGHT", "VERSION", "IMAGE AGE")
_TITLES = ("ENVIRONMENT", "SERVING", "VERSION", "IMAGE AGE", "NEWER", "IN FLIGHT", "HEALTH")


def overview_text(found: Sequence[Overview], now: datetime, width: int | None = None) -> str:
    """Return the environments as a table, notes about them and the command for details."""
    if not found:
        return f"no environments: pipeline.toml has no [environments.NAME]\nnext: {commands.docs()}"
    lines = fitted([_TITLES, *(overview_row(each, now) for each in found)], width, _FOLDS)
    notes = [f"{each.environment}: {text}" for each in found for text in _notes(each, now)]
    notes = [wrapped(each, width, 2) if width else each for each in notes]
    last = ["", f"details: {commands.status(found[0].environment)}"]
    return "\n".join([*lines, *([""] if notes else []), *notes, *last])


def _notes(each: Overview, now: datetime) -> Iterator[str]:
    """Yield what the row of an environment does not say.

    These are why it is unknown, its freezes, how its newest deployment failed, and what waits for
    its removal.
    """
    if each.error:
        yield one_line(each.error)
    if each.status and each.status.frozen.active:
        yield format_freezes(each.status.frozen, now)
    if each.status and (latest := format_latest(each.status, now)):
        yield latest
    if each.status and (removal := format_removal(each.status, now)):
        yield f"removal {removal}"


def overview_document(found: Sequence[Overview], now: datetime) -> dict[str, Any]:
    """Return the environments for a program."""
    return {"environments": [_document(each, now) for each in found]}


def _document(each: Overview, now: datetime) -> dict[str, Any]:
    status, record = each.status, _record(each)
    created = each.image.created if each.image else ""
    flight = status.environment.deployment if status else None
    return {
        "environment": each.environment,
        "serving": status.environment.serving or None if status else None,
        "version": record.version if record else None,
        "ami_id": record.release.ami_id if record else None,
        "image_created": created or None,
        "image_age_seconds": seconds_between(created, now.isoformat()) if created else None,
        "newer_image": image_document(each.newer) if each.newer else None,
        "newer_source": each.source or None,
        "in_flight": {"kind": str(flight.kind), "phase": flight.phase} if flight else None,
        "latest": latest_document(status) if status else None,
        "removal_pending": list(status.environment.unremoved) if status else [],
        "freeze": freezes_document(status.frozen) if status else None,
        "health": health(status)[1] if status and record else None,
        "healthy": health(status)[0] == icons.DONE if status and record else None,
        "error": each.error or None,
    }


def overview_row(each: Overview, now: datetime) -> tuple[str, str, str, str, str, str, str]:
    """Return the cells of an environment, in the order of the titles."""
    status, record = each.status, _record(each)
    if status is None:
        unknown = ("-",) * 5
        return (each.environment, *unknown, f"{icons.UNKNOWN} unknown")
    icon, text = health(status) if record else (icons.DETACHED, "no release")
    return (
        each.environment,
        status.environment.serving or "-",
        one_line(record.version, 32) if record and record.version else "-",
        age(each.image.created, now) if each.image else "-",
        ", ".join(_newer(each)) or "-",
        _in_flight(status),
        f"{icon} {text}",
    )


def _newer(each: Overview) -> Iterator[str]:
    """Yield what is newer than what serves."""
    if each.newer:
        yield f"image {one_line(each.newer.version, 32) or each.newer.id}"
    if each.source:
        yield f"source {each.source}"


def _in_flight(status: Status) -> str:
    flight = status.environment.deployment
    if flight is None:
        return "-"
    where = f"{flight.kind} in {one_line(flight.phase)}" if flight.phase else str(flight.kind)
    if flight.outcome and flight.outcome.result is Result.NEEDS_ATTENTION:
        return f"{icons.FAILED} needs attention: {where}"
    if flight.pause:
        return f"{icons.PENDING} paused: {flight.kind} before {one_line(flight.pause.before)}"
    return f"{icons.RUNNING} {where}" if status.running else f"{icons.FAILED} interrupted: {where}"


def _record(each: Overview) -> ReleaseRecord | None:
    environment = each.status.environment if each.status else None
    return environment.releases.get(environment.serving) if environment else None
