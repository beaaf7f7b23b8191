"""Parse the output of `plan -json` and `apply -json` of Terraform and OpenTofu, line by line.

The format is in the Terraform docs, "Machine-Readable UI" (version 1.2 in Terraform 1.11 to 1.15).
Newer versions print more events; those that may change something are kept and refuse the plan
(`core.terraform.plan_guard`). `terraform` has the command lines.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.core.terraform.plan_guard import (
    FORGOTTEN,
    UNCHANGED,
    Change,
    event_breach,
    total_breaches,
)
from pipeline.core.terraform.program import OPENTOFU, TERRAFORM, Product
from pipeline.core.terraform.root_module import Diagnostic

LAST_LINES = 10
"""Lines of a failure in an error."""

_SHOWN = 200
"""Characters of an event that could not be parsed, in an error."""

_ACTIVE = {"create": "creating", "update": "changing", "delete": "deleting"}
_FINISHED = {"create": "created", "update": "changed", "delete": "deleted"}


@dataclass(kw_only=True)
class RunOutput:
    """The parsed output of a run.

    `changes` are the planned changes, `standing` the unchanged resources, `totals` each of
    Terraform's own totals of the changes, `unknown` a line for each event that may change
    something unknown, `plain` the last lines that could not be parsed. `product` is what its first
    event says.
    """

    changes: list[Change] = field(default_factory=list)
    refreshed: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    errors: list[Diagnostic] = field(default_factory=list)
    plain: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    unknown: list[str] = field(default_factory=list)
    summary: str = ""
    totals: list[Mapping[str, Any]] = field(default_factory=list)
    product: Product = TERRAFORM

    @property
    def planned(self) -> tuple[Change, ...]:
        """The changes; `missing` marks those that recreate a resource that AWS no longer has."""
        return tuple(replace(each, missing=each.address in self.missing) for each in self.changes)

    @property
    def standing(self) -> tuple[Change, ...]:
        """The resources that are in the state and in AWS, and that the plan does not change."""
        touched = {each.address for each in self.changes} | self.missing
        return tuple(
            Change(address=address, kind=kind, action=UNCHANGED)
            for address, kind in self.refreshed.items()
            if address not in touched
        )

    @property
    def last_lines(self) -> str:
        """The last lines of the errors."""
        return last_lines(self.errors)

    @property
    def breaches(self) -> tuple[str, ...]:
        """Return a line for each part of a plan that its changes do not explain."""
        match self.totals:
            case [totals] if totals.get("operation") == "plan":
                found = total_breaches(totals, self.changes, self.product.name)
                return (*self.unknown, *found)
        summary = self.summary or "it has no summary"
        return (*self.unknown, f"the plan's output is incomplete: {summary}")


class StreamReader:
    """Parses chunks of output; `report` is called with a line for each step of an apply."""

    def __init__(self, report: Callable[[str], None] = lambda _: None) -> None:
        self.output = RunOutput()
        self._report = report
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes; a chunk may end anywhere."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def close(self) -> RunOutput:
        """Parse a last line without a newline; return the whole output."""
        self._line(self._rest)
        self._rest = b""
        return self.output

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        # No output may stop an apply. A plan with an event that cannot be parsed is refused.
        try:
            event = json.loads(text)
        except ValueError:
            self.output.plain.append(text)
            return
        try:
            if breach := event_breach(event):
                self.output.unknown.append(breach)
            if event.get("type") == "version" and OPENTOFU.command in event:
                self.output.product = OPENTOFU
            self._event(event)
        except (ValueError, TypeError, AttributeError, KeyError):
            self.output.plain.append(text)
            self.output.unknown.append(f"an event that could not be parsed: {text[:_SHOWN]}")

    def _event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "planned_change":
                self.output.changes.append(_change(event["change"]))
            case "resource_drift" if event["change"]["action"] == "delete":
                self.output.missing.add(event["change"]["resource"]["addr"])
            case "refresh_start":
                resource = event["hook"]["resource"]
                self.output.refreshed[resource["addr"]] = resource.get("resource_type", "")
            case "diagnostic" if event["diagnostic"].get("severity") == "error":
                self.output.errors.append(parse_diagnostic(event["diagnostic"]))
            case "change_summary":
                self.output.summary = str(event.get("@message", ""))
                self.output.totals.append(dict(event["changes"]))
            case "apply_start" | "apply_progress" | "apply_complete" | "apply_errored" as kind:
                if line := _progress(str(kind), event["hook"]):
                    self._report(f"{self.output.product.command}: {line}")


def parse_diagnostic(event: Mapping[str, Any]) -> Diagnostic:
    """Return the diagnostic in an event; `line` is 0 without a position."""
    place = event.get("range") or {}
    return Diagnostic(
        summary=str(event.get("summary", "")),
        detail=str(event.get("detail", "")),
        file=str(place.get("filename", "")),
        line=int(place.get("start", {}).get("line", 0)),
    )


def last_lines(errors: Iterable[Diagnostic]) -> str:
    """Return the last lines of diagnostics, without empty lines."""
    lines = (line for error in errors for line in (error.summary, *error.detail.split("\n")))
    return "\n".join([line.rstrip() for line in lines if line.strip()][-LAST_LINES:])


def _change(planned: Mapping[str, Any]) -> Change:
    resource = planned["resource"]
    # Terraform 1.11 prints no such field; a second change of one address is the only sign of it.
    deposed = " of a deposed object" if planned.get("deposed") or resource.get("deposed") else ""
    action, reason = planned["action"], planned.get("reason", "")
    if action == UNCHANGED and reason:
        # OpenTofu 1.12, under `lifecycle { destroy = false }` (its views/json has no such action).
        action = FORGOTTEN
    return Change(
        address=resource["addr"],
        kind=resource.get("resource_type", ""),
        action=f"{action}{deposed}",
        reason=reason,
        imports=bool(planned.get("importing")),
    )


def _progress(kind: str, hook: Mapping[str, Any]) -> str:
    """Return a line about a step of an apply; empty for a data source."""
    action, resource = str(hook.get("action", "")), hook.get("resource", {})
    if action not in _ACTIVE:
        return ""
    key = resource.get("resource_key")
    name = f"{resource.get('resource_type')} {key}" if key is not None else resource.get("addr")
    match kind:
        case "apply_start":
            return f"{_ACTIVE[action]} {name}"
        case "apply_progress":
            return f"still {_ACTIVE[action]} {name}, {hook.get('elapsed_seconds', 0)}s"
        case "apply_complete":
            return f"{_FINISHED[action]} {name}"
    return f"{_ACTIVE[action]} {name} failed"
