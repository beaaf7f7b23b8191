"""What a deployment would do, before it does anything: `promote --plan`.

A second reader of the table that the deployer performs (`core.phases`), so that what is shown
is what would be done.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.core.deploy.phases import Phase
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.terraform.plan_guard import Plan
from pipeline.ui import words
from pipeline.ui.text import duration, one_line, table, wrapped

_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "import": "<"}


class Finding(Protocol):
    """What preflight found, in the three parts of an error; every PipelineError is one."""

    @property
    def where(self) -> str:
        """The step, file or resource."""

    @property
    def what(self) -> str:
        """What is wrong with it."""

    @property
    def remedy(self) -> str:
        """What the reader does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """A deployment that has not begun: `plan` is Terraform's, None where it was not asked."""

    deployment: Deployment
    phases: Sequence[Phase]
    policy: Policy
    findings: Sequence[Finding] = ()
    plan: Plan | None = None


def plan_text(prospect: Prospect, width: int = 100) -> str:
    """Return the phases, what preflight found, and Terraform's plan."""
    deployment = prospect.deployment
    return "\n".join(
        [
            f"{one_line(deployment.environment)}: {words.intent(deployment)}",
            "",
            *_table(prospect),
            "",
            *_policy(prospect.policy, width),
            *_findings(prospect, width),
            *_changes(prospect.plan),
            "nothing was changed",
        ]
    )


def _table(prospect: Prospect) -> list[str]:
    rows = [("PHASE", "SERVING", "DARK", "UNTIL", "AT MOST", "ON FAULT")]
    rows += [
        (
            phase.name,
            _names(phase.want.serving),
            _names(phase.want.detached),
            phase.gate.describe(prospect.policy, duration),
            duration(prospect.policy.limit(phase.name)),
            phase.on_failure,
        )
        for phase in prospect.phases
    ]
    return table(rows)


def _names(releases: frozenset[str]) -> str:
    return " ".join(sorted(releases)) or "-"


def _policy(policy: Policy, width: int) -> list[str]:
    hooks = [
        f"{one_line(shlex.join(hook.command))} (at most {duration(hook.timeout)})"
        for hook in policy.verify
    ]
    rows = (("hooks", "; ".join(hooks)), ("alarms", one_line(", ".join(policy.alarms))))
    return [f"{name:<10} {wrapped(text, width, 11)}" for name, text in rows if text]


def _findings(prospect: Prospect, width: int) -> list[str]:
    """Both are asked or neither: a rollback to a warm group waits for nobody."""
    findings = prospect.findings
    if not findings:
        return [f"preflight  {'not asked' if prospect.plan is None else 'nothing found'}"]
    lines = [f"preflight  {len(findings)} found"]
    for each in findings:
        lines.append(f"  {wrapped(f'{one_line(each.where)}: {one_line(each.what)}', width, 4)}")
        lines.append(f"    next: {wrapped(one_line(each.remedy), width, 9)}")
    return lines


def _changes(plan: Plan | None) -> list[str]:
    if plan is None:
        return ["terraform  not asked"]
    lines = [f"terraform  {one_line(plan.summary) or 'no changes'}"]
    for each in plan.changes:
        action = "import" if each.imports else each.action
        because = f" ({one_line(each.reason)})" if each.reason else ""
        lines.append(f"  {_SIGNS.get(action, '?')} {action} {one_line(each.address)}{because}")
    return lines


def plan_document(prospect: Prospect) -> dict[str, Any]:
    """Return the same for a program."""
    deployment, plan = prospect.deployment, prospect.plan
    return {
        "kind": str(deployment.kind),
        "environment": deployment.environment,
        "release": deployment.green,
        "previous": deployment.blue,
        "ami_id": deployment.image,
        "version": deployment.version,
        "phases": [
            {
                "name": phase.name,
                "serving": sorted(phase.want.serving),
                "dark": sorted(phase.want.detached),
                "until": phase.gate.describe(prospect.policy, duration),
                "limit": prospect.policy.limit(phase.name),
                "on_fault": phase.on_failure,
            }
            for phase in prospect.phases
        ],
        "findings": [
            {"where": each.where, "what": each.what, "next": each.remedy}
            for each in prospect.findings
        ],
        "terraform": None if plan is None else _plan_document(plan),
    }


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "summary": plan.summary,
        "changes": [
            {
                "address": each.address,
                "kind": each.kind,
                "action": each.action,
                "reason": each.reason or None,
                "imports": each.imports,
            }
            for each in plan.changes
        ],
    }
