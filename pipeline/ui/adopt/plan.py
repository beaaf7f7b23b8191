"""Render the configuration that a running group has, and what of it a release cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.core.adoption.model import Adoption, Gap
from pipeline.core.adoption.toml_text import environment_toml
from pipeline.ui.text import one_line


def adoption_text(environment: str, found: Adoption, *, configured: bool) -> str:
    """Return the plan for a person; `configured` is True if pipeline.toml has the environment."""
    return "\n".join(_lines(environment, found, configured=configured))


def _lines(environment: str, found: Adoption, *, configured: bool) -> Iterator[str]:
    yield one_line(f"The group {found.group} launches {found.source}.")
    if found.owner:
        yield one_line(f"The CloudFormation stack {found.owner} owns it.")
    table = f"[environments.{environment}]"
    yield ""
    yield f"Compare with {table} in pipeline.toml:" if configured else "Add to pipeline.toml:"
    yield ""
    yield environment_toml(environment, found)
    yield from _missing(found)
    yield from gap_lines(found)
    yield "Nothing was changed."


def _missing(found: Adoption) -> Iterator[str]:
    if found.missing:
        yield f"The group does not tell: {', '.join(found.missing)}. A release needs it."
        yield ""


def gap_lines(found: Adoption) -> Iterator[str]:
    """Yield the settings of the group that a release cannot have."""
    if not found.gaps:
        yield "The release module can express every setting of the group."
    else:
        count = f"{len(found.gaps)} setting{'s' if len(found.gaps) > 1 else ''}"
        yield f"The release module cannot express {count} of the group:"
    for gap in found.gaps:
        yield f"  {one_line(gap.setting)}: {one_line(gap.group)}"
        yield f"    a release {one_line(gap.release)}"
    yield ""


def adoption_document(environment: str, found: Adoption, *, configured: bool) -> dict[str, Any]:
    """Return the plan for a program."""
    return {
        "environment": environment,
        "configured": configured,
        "group": found.group,
        "launches": found.source,
        "stack": found.owner or None,
        "configuration": environment_toml(environment, found),
        "settings": {**found.settings, "terraform": {"inputs": dict(found.inputs)}},
        "missing": list(found.missing),
        "gaps": [_gap(each) for each in found.gaps],
    }


def _gap(gap: Gap) -> dict[str, str]:
    return {"setting": gap.setting, "group": gap.group, "release": gap.release}
