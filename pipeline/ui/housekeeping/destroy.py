"""Render what `destroy` deletes, before a person confirms it."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.ui.text import one_line, table

STAYS = "the network, the load balancers, the images and the history stay"


def destroy_text(document: Environment, unwanted: Collection[str]) -> str:
    """Return the groups that a destroy deletes as a table, newest first, and what stays."""
    name = one_line(document.environment)
    rows = [("RELEASE", "STATE", "GROUP", "VERSION", "IMAGE")]
    rows += [_row(document, document.releases[each]) for each in sorted(unwanted, reverse=True)]
    place = f"{document.region}, account {document.account}" if document.account else ""
    head = f"destroy {name} ({place or document.region})"
    deletes = "this deletes these groups with their instances and launch templates"
    return "\n".join([head, *table(rows), f"{deletes}; {STAYS}"])


def _row(document: Environment, record: ReleaseRecord) -> tuple[str, str, str, str, str]:
    release = record.release
    state = "failed" if record.failed else "warm"
    return (
        release.name,
        "serving" if release.name == document.serving else state,
        release.group(document.app, document.environment),
        one_line(record.version, 32) or "-",
        release.ami_id,
    )
