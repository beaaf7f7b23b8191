"""Render the plan of a deployment: `promote --plan`.

The text comes from the phase table that the deployer performs (`core/deploy/phases.py`).
"""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

from pipeline.core.deploy.phase import Fleet
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.deploy.signals.probe import url_in
from pipeline.core.hooks.hook import NEVER_DECIDES, Hook, Runs
from pipeline.core.hooks.points import points_of
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.pausing.pause import Approval
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text
from pipeline.ui.changes import changes_document, changes_text, inputs_document
from pipeline.ui.freezing.freezes import format_freezes, freezes_document
from pipeline.ui.text import fitted, one_line, wrapped

_FOLDS = ("ON FAILURE", "LIMIT")
_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "import": "<"}


def plan_text(preview: PlanPreview, width: int = 100, columns: int | None = None) -> str:
    """Return the phases, the findings of preflight, and Terraform's plan.

    The table of phases fits `columns`, None for any width; `width` is that of the other lines.
    """
    deployment = preview.deployment
    return "\n".join(
        [
            f"{one_line(deployment.environment)}: {deployment_text.format_request(deployment)}",
            *_reasons(deployment, width),
            "",
            *_table(preview, columns),
            "",
            *_workers(preview, width),
            *_policy(preview, width),
            *changes_text(preview.deployment.changes, width),
            *_findings(preview, width),
            *_changes(preview.plan),
            "nothing was changed",
        ]
    )


def _reasons(deployment: Deployment, width: int) -> list[str]:
    """Return why it is requested, and the freeze that it overrides."""
    rows = (("why", deployment.why), ("override", deployment.override))
    return [wrapped(f"{name}: {one_line(text)}", width, 2) for name, text in rows if text]


def _table(preview: PlanPreview, columns: int | None) -> list[str]:
    states = ("RUNNING", "STOPPED") if preview.deployment.worker else ("SERVING", "DETACHED")
    rows = [("PHASE", *states, "GATE", "LIMIT", "ON FAILURE")]
    rows += [
        (
            phase.name,
            _serving(phase.want),
            _names(phase.want.all - phase.want.with_traffic),
            phase.gate.describe(preview.policy),
            format_duration(preview.policy.limit(phase.name)),
            phase.on_failure,
        )
        for phase in preview.phases
    ]
    return fitted(rows, columns, _FOLDS)


def _serving(fleet: Fleet) -> str:
    """Return the releases that get requests; with their shares, if there are two of a pair."""
    names = sorted(fleet.with_traffic)
    if not fleet.shares or len(names) == 1:
        return _names(fleet.with_traffic)
    return " ".join(f"{name} {fleet.shares[name]} %" for name in names)


def _names(releases: frozenset[str]) -> str:
    return " ".join(sorted(releases)) or "-"


def _workers(preview: PlanPreview, width: int) -> list[str]:
    """Return what is special without load balancers, and the time without workers, if any."""
    deployment, policy = preview.deployment, preview.policy
    if not deployment.worker:
        return []
    texts = ["no load balancers: a group serves while it runs instances"]
    if deployment.blue and policy.delays.drain:
        texts.append(
            f"a termination hook holds an instance of {deployment.blue} for up to "
            f"{format_duration(policy.delays.drain)}, and longer if the instance sends heartbeats"
        )
    if deployment.warm:
        texts.append(f"{deployment.green} has no instances yet: they start, which takes a boot")
    if deployment.blue and not policy.overlap:
        gap = f"overlap = false: no worker runs from the stop of {deployment.blue} until "
        texts.append(f"{gap}{deployment.green} is healthy")
    return [f"{'workers':<10} {wrapped('; '.join(texts), width, 11)}"]


def due_hooks(preview: PlanPreview) -> list[Hook]:
    """Return the hooks whose points are in the phases of a deployment, or on its way back."""
    names = [phase.name for phase in preview.phases]
    points = NEVER_DECIDES.union(*points_of(names))
    goes_back = preview.deployment.kind is Kind.ROLLBACK
    return [
        hook for hook in preview.policy.hooks if hook.at in points and not (hook.once and goes_back)
    ]


def once_note(preview: PlanPreview) -> str:
    """Return the hooks after which the way back does not undo everything, empty for none."""
    once = [str(hook) for hook in due_hooks(preview) if hook.once]
    return f"no way back past the {one_line(', the '.join(once))}" if once else ""


def _policy(preview: PlanPreview, width: int) -> list[str]:
    once = once_note(preview)
    rows = (
        ("freeze", _frozen(preview)),
        ("policies", "; ".join(map(_policy_program, preview.policies))),
        ("hooks", "; ".join(map(_hook, due_hooks(preview)))),
        ("once", once and f"{once}: a rollback moves the traffic, and does not undo the program"),
        ("alarms", one_line(", ".join(preview.policy.alarms))),
        ("probe", _probe(preview)),
        ("rollback", preview.quick),
        ("analysis", _analysis(preview)),
        ("pauses", _pauses(preview)),
    )
    return [f"{name:<10} {wrapped(text, width, 11)}" for name, text in rows if text]


def _frozen(preview: PlanPreview) -> str:
    """Return the freezes that last, and what they mean for this deployment."""
    if not preview.frozen.active:
        return ""
    now = datetime.fromisoformat(preview.deployment.began).astimezone()
    shown = format_freezes(preview.frozen, now)
    kind, overridden = preview.deployment.kind, preview.deployment.override
    return f"{shown}; {'--override-freeze ignores it' if overridden else f'{kind} is refused'}"


def _policy_program(policy: PolicyProgram) -> str:
    limit = format_duration(policy.timeout)
    return f"{one_line(shlex.join(policy.command))} (limit {limit})"


def _hook(hook: Hook) -> str:
    where = f", on {hook.on}" if hook.run is Runs.INSTANCE else ""
    limit = format_duration(hook.timeout)
    return f"{hook.at} {one_line(shlex.join(hook.command))} (limit {limit}{where})"


def _hook_document(hook: Hook) -> dict[str, Any]:
    on_instance = hook.run is Runs.INSTANCE
    return {
        "at": str(hook.at),
        "command": list(hook.command),
        "run": str(hook.run),
        "on": str(hook.on) if on_instance else None,
        "once": hook.once,
        "limit": hook.timeout,
    }


def _pauses(preview: PlanPreview) -> str:
    """Return before which phases a person must continue, and until when."""
    pauses, before = preview.policy.pauses, preview.deployment.pause_before
    if not before:
        return ""
    another = " by another person" if pauses.approval is Approval.ANOTHER else ""
    limit = format_duration(pauses.limit)
    return f"before {', '.join(before)} until resume{another} or abort; after {limit}: " + str(
        pauses.on_timeout
    )


def _probe(preview: PlanPreview) -> str:
    """Return what the probe requests, and from when on."""
    probe, deployment = preview.policy.probe, preview.deployment
    if probe is None or deployment.kind is Kind.DRILL:
        return ""
    phases = (each.name for each in preview.phases if url_in(each, deployment, probe))
    begins = f"from {next(phases, 'the end')}"
    if deployment.kind is Kind.ROLLBACK:
        begins = "only counted, because this is a rollback"
    return one_line(f"{probe.describe()}; {begins}")


def _analysis(preview: PlanPreview) -> str:
    """Return what is compared, and in which phases."""
    analysis = preview.policy.analysis
    if analysis is None or preview.deployment.kind is Kind.ROLLBACK:
        return ""
    names = [each.name for each in preview.phases if preview.policy.pause(each.name)]
    return one_line(f"in {', '.join(names)}: {analysis.describe()}") if names else ""


def _findings(preview: PlanPreview, width: int) -> list[str]:
    """Return the findings; a rollback to a warm group skips preflight and Terraform."""
    findings = preview.findings
    if not findings:
        return [f"preflight  {'skipped' if preview.plan is None else 'no findings'}"]
    lines = [f"preflight  {len(findings)} finding{'' if len(findings) == 1 else 's'}"]
    for each in findings:
        lines.append(f"  {wrapped(f'{one_line(each.where)}: {one_line(each.what)}', width, 4)}")
        lines.append(f"    next: {wrapped(one_line(each.remedy), width, 9)}")
    return lines


def _changes(plan: Plan | None) -> list[str]:
    if plan is None:
        return ["terraform  skipped"]
    lines = [f"{plan.program:<10} {one_line(plan.summary) or 'no changes'}"]
    for each in plan.changes:
        action = "import" if each.imports else each.action
        because = f" ({one_line(each.reason)})" if each.reason else ""
        lines.append(f"  {_SIGNS.get(action, '?')} {action} {one_line(each.address)}{because}")
    return lines


def plan_document(preview: PlanPreview) -> dict[str, Any]:
    """Return the plan for a program."""
    deployment, plan = preview.deployment, preview.plan
    return {
        "kind": str(deployment.kind),
        "environment": deployment.environment,
        "release": deployment.green,
        "previous": deployment.blue,
        "ami_id": deployment.image,
        "version": deployment.version,
        "why": deployment.why or None,
        "actor": deployment_text.actor_document(deployment.actor),
        "freeze": freezes_document(preview.frozen),
        "override": deployment.override or None,
        "policies": [list(each.command) for each in preview.policies],
        "phases": [
            {
                "name": phase.name,
                "serving": sorted(phase.want.with_traffic),
                "detached": sorted(phase.want.all - phase.want.with_traffic),
                "shares": {name: part for name, part in phase.want.shares.items() if name} or None,
                "gate": phase.gate.describe(preview.policy),
                "limit": preview.policy.limit(phase.name),
                "on_failure": phase.on_failure,
            }
            for phase in preview.phases
        ],
        "hooks": [_hook_document(hook) for hook in due_hooks(preview)],
        "inputs": inputs_document(deployment.changes.inputs.changed if deployment.changes else ()),
        "changes": changes_document(deployment.changes),
        "detach": [each.name for each in deployment.detach],
        "quick": preview.quick or None,
        "probe": preview.policy.probe.url if preview.policy.probe else None,
        "analysis": _analysis(preview) or None,
        "worker": deployment.worker,
        "overlap": preview.policy.overlap,
        "pause_before": list(deployment.pause_before),
        "findings": [
            {"where": each.where, "what": each.what, "next": each.remedy}
            for each in preview.findings
        ],
        "terraform": None if plan is None else _plan_document(plan),
    }


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "program": plan.program,
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
