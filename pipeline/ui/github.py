"""GitHub's workflow commands, as we alone may write them.

Everything foreign in them is escaped as the runner undoes it (actions/toolkit,
packages/core/src/command.ts: `%`, CR and LF in data; `:` and `,` too in properties).
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ui.text import one_line

LONGEST = 2000
"""Characters of an annotation; GitHub cuts at 4096 bytes."""


def asked(environ: Mapping[str, str]) -> bool:
    """Return whether this runs in GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def group(title: str) -> str:
    """Return the line that begins a fold."""
    return f"::group::{_data(one_line(title))}"


def end_group() -> str:
    """Return the line that ends it."""
    return "::endgroup::"


def error(title: str, text: str) -> str:
    """Return the line that makes an annotation of an error."""
    return f"::error title={_property(one_line(title))}::{_data(one_line(text, LONGEST))}"


def notice(title: str, text: str) -> str:
    """Return the line that makes an annotation of good news."""
    return f"::notice title={_property(one_line(title))}::{_data(one_line(text, LONGEST))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
