"""Render the templates of the report and of the dashboard: HTML that escapes everything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

import pipeline
from pipeline.core.times import format_duration, format_time
from pipeline.ui.text import one_line

FOLDER = Path(pipeline.__file__).resolve().parent / "templates/web"


def render(name: str, facts: Mapping[str, Any]) -> str:
    """Return a template of `pipeline/templates/web` with these facts; each text is escaped."""
    return _templates().get_template(name).render(**facts)


def asset(name: str) -> str:
    """Return a file that the pages use, such as the style sheet."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": format_duration,
        "line": one_line,
        "local": local_time,
    }
    # A style sheet of this program is no text of a user.
    environment.globals |= {"style": lambda: Markup(asset("style.css"))}  # noqa: S704
    return environment


def _printable(value: object) -> object:
    """Return a value without control characters; its lines and their indentation stay."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    lines = (
        line[: len(line) - len(line.lstrip(" "))] + one_line(line) for line in value.split("\n")
    )
    return "\n".join(lines)


def local_time(time: str) -> str:
    """Return an ISO 8601 time with its date in the zone of this machine, with the offset."""
    return format_time(time, datetime.min.replace(tzinfo=datetime.now(UTC).astimezone().tzinfo))


def is_web_link(url: str) -> bool:
    """Return True if a page may link to a URL: another scheme may run a script."""
    return url.startswith(("https://", "http://")) and one_line(url) == url
