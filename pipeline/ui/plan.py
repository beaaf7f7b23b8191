"""What a deployment would do, before it does anything: `promote --plan`.

A second reader of the table that the deployer performs (`core.phases`), so that what is shown
is what would be done.
"""

from __future__ import annotations

import shlex
from typing import Any

from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.state.deployment import Policy
from pipeline.core.terraform.plan_guard import Plan
from pipeline.ui import words
from pipeline.ui.text import duration, one_line, table, wrapped

_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "import": "<"}


def plan_text(preview: PlanPreview, width: int = 100) -> str:
    """Return the phases, what preflight found, and Terraform's plan."""
    deployment = preview.deployment
    return "\n".join(
        [
            f"{one_line(deployment.environment)}: {words.intent(deployment)}",
            "",
            *_table(preview),
            "",
            *_policy(preview.policy, width),
            *_findings(preview, width),
            *_changes(preview.plan),
            "nothing was changed",
        ]
    )


def _table(preview: PlanPreview) -> list[str]:
    rows = [("PHASE", "SERVING", "DARK", "UNTIL", "AT MOST", "ON FAULT")]
    rows += [
        (
            phase.name,
            _names(phase.want.serving),
            _names(phase.want.detached),
            phase.gate.describe(preview.policy, duration),
            duration(preview.policy.limit(phase.name)),
            phase.on_failure,
        )
        for phase in preview.phases
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


def _findings(preview: PlanPreview, width: int) -> list[str]:
    """Both are asked or neither: a rollback to a warm group waits for nobody."""
    findings = preview.findings
    if not findings:
        return [f"preflight  {'not asked' if preview.plan is None else 'nothing found'}"]
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


def plan_document(preview: PlanPreview) -> dict[str, Any]:
    """Return the same for a program."""
    deployment, plan = preview.deployment, preview.plan
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
                "until": phase.gate.describe(preview.policy, duration),
                "limit": preview.policy.limit(phase.name),
                "on_fault": phase.on_failure,
            }
            for phase in preview.phases
        ],
        "findings": [
            {"where": each.where, "what": each.what, "next": each.remedy}
            for each in preview.findings
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
