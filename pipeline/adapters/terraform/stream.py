"""What `terraform plan -json` and `apply -json` print, line by line, as values.

Terraform docs, "Machine-Readable UI" (version 1.2 of it in Terraform 1.11). What is not
known here is passed over: newer versions say more. Apart from `terraform`, which knows the
command lines.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.core.terraform.plan_guard import UNCHANGED, Change
from pipeline.core.terraform.root_module import Diagnostic

LAST = 10
"""How many lines of a failure an error tells."""

_DOING = {"create": "creating", "update": "changing", "delete": "deleting"}
_DONE = {"create": "created", "update": "changed", "delete": "deleted"}


@dataclass(kw_only=True)
class Said:
    """What a run has said so far; `counts` is Terraform's own sum of the changes.

    `changes` are the planned ones, `standing` what the state knows and AWS has, by address.
    `plain` are the last lines that were no JSON.
    """

    changes: list[Change] = field(default_factory=list)
    refreshed: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    errors: list[Diagnostic] = field(default_factory=list)
    plain: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))
    summary: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def planned(self) -> tuple[Change, ...]:
        """The changes, with a word on each that recreates what AWS no longer has."""
        return tuple(replace(each, missing=each.address in self.missing) for each in self.changes)

    @property
    def standing(self) -> tuple[Change, ...]:
        """What the state knows, AWS has and the plan leaves as it is."""
        touched = {each.address for each in self.changes} | self.missing
        return tuple(
            Change(address=address, kind=kind, action=UNCHANGED)
            for address, kind in self.refreshed.items()
            if address not in touched
        )

    @property
    def last_lines(self) -> str:
        """The end of what went wrong, in Terraform's words."""
        return last_lines(self.errors)

    @property
    def complete(self) -> bool:
        """Whether Terraform summed up its plan, and what it summed up is what was read."""
        planned = Counter(each.action for each in self.changes)
        replaced = planned["replace"]
        read = {
            "add": planned["create"] + replaced,
            "change": planned["update"],
            "remove": planned["delete"] + replaced,
        }
        return self.counts.get("operation") == "plan" and read.items() <= self.counts.items()


class StreamReader:
    """Takes the output as it comes; `tell` hears of each thing that an apply does."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self.said = Said()
        self._tell = tell
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def close(self) -> Said:
        """Return all that was said; a line may lack its end."""
        self._line(self._rest)
        self._rest = b""
        return self.said

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        try:
            self._event(json.loads(text))
        except (ValueError, TypeError, AttributeError, KeyError):
            # Nothing printed may end an apply; a plan with such a line is refused by its sums.
            self.said.plain.append(text)

    def _event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "planned_change":
                self.said.changes.append(_change(event["change"]))
            case "resource_drift" if event["change"]["action"] == "delete":
                self.said.missing.add(event["change"]["resource"]["addr"])
            case "refresh_start":
                resource = event["hook"]["resource"]
                self.said.refreshed[resource["addr"]] = resource.get("resource_type", "")
            case "diagnostic" if event["diagnostic"].get("severity") == "error":
                self.said.errors.append(diagnostic(event["diagnostic"]))
            case "change_summary":
                self.said.summary = str(event.get("@message", ""))
                self.said.counts = event.get("changes", {})
            case "apply_start" | "apply_progress" | "apply_complete" | "apply_errored" as kind:
                if line := _progress(str(kind), event["hook"]):
                    self._tell(line)


def diagnostic(said: Mapping[str, Any]) -> Diagnostic:
    """Return a diagnostic as a value."""
    place = said.get("range") or {}
    return Diagnostic(
        summary=str(said.get("summary", "")),
        detail=str(said.get("detail", "")),
        file=str(place.get("filename", "")),
        line=int(place.get("start", {}).get("line", 0)),
    )


def last_lines(errors: Iterable[Diagnostic]) -> str:
    """Return the end of what diagnostics say, without empty lines."""
    lines = (line for error in errors for line in (error.summary, *error.detail.split("\n")))
    return "\n".join([line.rstrip() for line in lines if line.strip()][-LAST:])


def _change(said: Mapping[str, Any]) -> Change:
    resource = said["resource"]
    # Not said by Terraform 1.11, where a second change at one address is the only sign of it.
    deposed = " of a deposed object" if said.get("deposed") or resource.get("deposed") else ""
    return Change(
        address=resource["addr"],
        kind=resource.get("resource_type", ""),
        action=f"{said['action']}{deposed}",
        reason=said.get("reason", ""),
        imports=bool(said.get("importing")),
    )


def _progress(kind: str, hook: Mapping[str, Any]) -> str:
    """Return a line on what an apply does to a resource; nothing for data, which it reads."""
    action, resource = str(hook.get("action", "")), hook.get("resource", {})
    if action not in _DOING:
        return ""
    key = resource.get("resource_key")
    name = f"{resource.get('resource_type')} {key}" if key is not None else resource.get("addr")
    match kind:
        case "apply_start":
            return f"terraform: {_DOING[action]} {name}"
        case "apply_progress":
            return f"terraform: still {_DOING[action]} {name}, {hook.get('elapsed_seconds', 0)} s"
        case "apply_complete":
            return f"terraform: {_DONE[action]} {name}"
    return f"terraform: {_DOING[action]} {name} failed"
