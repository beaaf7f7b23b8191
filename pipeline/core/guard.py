"""What Terraform plans, and whether that is exactly what a phase expects.

The last thing between a saved plan and the group that serves: everything the plan would do
is named, and anything a phase did not ask for refuses the whole plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of a plan, as `plan -json` streams it: `planned_change`, Terraform 1.11.

    `action` is create, update, delete, replace, import, remove (forget), move or read; `imports`
    says that the resource is adopted by this plan.
    """

    address: str
    kind: str
    action: str
    reason: str = ""
    imports: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A saved plan; `summary` is Terraform's own line, `file` None where nothing changes."""

    file: Path | None
    changes: tuple[Change, ...]
    summary: str = ""
