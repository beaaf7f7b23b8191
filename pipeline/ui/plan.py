"""Render the plan of a deployment: `promote --plan`.

The text comes from the phase table that the deployer performs (`core/deploy/phases.py`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.core.deploy.phases import (
    AllHealthy,
    AllInService,
    Deleted,
    Drained,
    Gate,
    HalfHealthy,
    Phase,
    StaysHealthy,
    Verified,
)
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text
from pipeline.ui.text import one_line, table, wrapped

_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "import": "<"}


class Finding(Protocol):
    """A finding of preflight, in the three parts of an error; every PipelineError is one."""

    @property
    def where(self) -> str:
        """The step, file or resource."""

    @property
    def what(self) -> str:
        """The problem."""

    @property
    def remedy(self) -> str:
        """The next command or edit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """A deployment that has not begun; `plan` is Terraform's, None if it was skipped."""

    deployment: Deployment
    phases: Sequence[Phase]
    policy: Policy
    findings: Sequence[Finding] = ()
    plan: Plan | None = None


def plan_text(prospect: Prospect, width: int = 100) -> str:
    """Return the phases, the findings of preflight, and Terraform's plan."""
    deployment = prospect.deployment
    return "\n".join(
        [
            f"{one_line(deployment.environment)}: {deployment_text.format_request(deployment)}",
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
    rows = [("PHASE", "SERVING", "DETACHED", "GATE", "LIMIT", "ON FAILURE")]
    rows += [
        (
            phase.name,
            _names(phase.want.serving),
            _names(phase.want.detached),
            until(phase.until, prospect.policy),
            format_duration(prospect.policy.limit(phase.name)),
            phase.on_fault.value,
        )
        for phase in prospect.phases
    ]
    return table(rows)


def _names(releases: frozenset[str]) -> str:
    return " ".join(sorted(releases)) or "-"


def until(wanted: Gate, policy: Policy) -> str:
    """Return the gate of a phase, with the numbers of the environment."""
    match wanted:
        case AllInService(release=release):
            text = f"every member of {release} InService"
        case Verified(release=release):
            text = f"{release} passes the verify hooks" if policy.verify else "no verify hooks"
        case AllHealthy(release=release):
            text = f"{release} healthy in {policy.healthy_checks} checks in a row"
        case HalfHealthy(release=release):
            text = f"half of {release} healthy"
        case StaysHealthy(pause=pause):
            text = f"still healthy after {format_duration(policy.pause(pause))}"
        case Drained(release=release):
            text = f"{release} is no longer a target"
        case Deleted(releases=releases):
            text = f"{_names(releases)} is deleted" if releases else "nothing to delete"
    return text


def _policy(policy: Policy, width: int) -> list[str]:
    hooks = [
        f"{one_line(shlex.join(hook.command))} (limit {format_duration(hook.timeout)})"
        for hook in policy.verify
    ]
    rows = (("hooks", "; ".join(hooks)), ("alarms", one_line(", ".join(policy.alarms))))
    return [f"{name:<10} {wrapped(text, width, 11)}" for name, text in rows if text]


def _findings(prospect: Prospect, width: int) -> list[str]:
    """Return the findings; a rollback to a warm group skips preflight and Terraform."""
    findings = prospect.findings
    if not findings:
        return [f"preflight  {'skipped' if prospect.plan is None else 'no findings'}"]
    lines = [f"preflight  {len(findings)} finding{'' if len(findings) == 1 else 's'}"]
    for each in findings:
        lines.append(f"  {wrapped(f'{one_line(each.where)}: {one_line(each.what)}', width, 4)}")
        lines.append(f"    next: {wrapped(one_line(each.remedy), width, 9)}")
    return lines


def _changes(plan: Plan | None) -> list[str]:
    if plan is None:
        return ["terraform  skipped"]
    lines = [f"terraform  {one_line(plan.summary) or 'no changes'}"]
    for each in plan.changes:
        action = "import" if each.imports else each.action
        because = f" ({one_line(each.reason)})" if each.reason else ""
        lines.append(f"  {_SIGNS.get(action, '?')} {action} {one_line(each.address)}{because}")
    return lines


def plan_document(prospect: Prospect) -> dict[str, Any]:
    """Return the plan for a program."""
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
                "detached": sorted(phase.want.detached),
                "gate": until(phase.until, prospect.policy),
                "limit": prospect.policy.limit(phase.name),
                "on_failure": phase.on_fault.value,
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
