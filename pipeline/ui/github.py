"""Write GitHub's workflow commands; no other module may write them.

Foreign text in them is escaped in the way that the runner reverses (actions/toolkit,
packages/core/src/command.ts: `%`, CR and LF in data; `:` and `,` too in properties).
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ui.text import one_line

LONGEST = 2000
"""The longest annotation in characters; GitHub cuts it at 4096 bytes."""


def is_github(environ: Mapping[str, str]) -> bool:
    """Return True if this runs in GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def group(title: str) -> str:
    """Return the line that starts a foldable group."""
    return f"::group::{_data(one_line(title))}"


def end_group() -> str:
    """Return the line that ends the group."""
    return "::endgroup::"


def error(title: str, text: str) -> str:
    """Return the line that annotates an error."""
    return f"::error title={_property(one_line(title))}::{_data(one_line(text, LONGEST))}"


def notice(title: str, text: str) -> str:
    """Return the line that annotates a success."""
    return f"::notice title={_property(one_line(title))}::{_data(one_line(text, LONGEST))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
