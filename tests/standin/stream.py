"""Terraform's output with `-json`: one line for each event (UI version 1.2)."""

from __future__ import annotations

import json
import os
import time
from typing import Any

VERSION = "1.11.4"
Address = tuple[str, str]
"""The type of a resource, and its key."""
_MODULE = "module.release"
_PLANNED = {
    "create": "create",
    "delete": "delete",
    "replace": "replace",
    "import": "import",
    "update": "update",
}
_STARTED = {"create": "Creating", "delete": "Destroying", "update": "Modifying"}
_ENDED = {"create": "Creation", "delete": "Destruction", "update": "Modifications"}


def format_address(address: Address) -> str:
    """Return an address in Terraform's notation."""
    kind, key = address
    return f'{_MODULE}.{kind}.this["{key}"]'


class Stream:
    """Prints events; `errors` are printed at the end of a run, as Terraform does."""

    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []

    def event(self, kind: str, message: str, *, level: str = "info", **more: Any) -> None:
        """Print one line at once and complete, also in a signal handler."""
        head = {"@level": level, "@message": message, "@module": "terraform.ui"}
        stamp = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            + f".{time.time_ns() % 10**9 // 1000:06}Z"
        )
        line = json.dumps(
            {**head, "@timestamp": stamp, **more, "type": kind}, separators=(",", ":")
        )
        os.write(1, line.encode() + b"\n")

    def version(self) -> None:
        self.event("version", f"Terraform {VERSION}", terraform=VERSION, ui="1.2")

    def log(self, text: str) -> None:
        self.event("log", text)

    def refreshing(self, address: Address, id_: str) -> None:
        hook = {"resource": _resource(address), "id_key": "id", "id_value": id_}
        self.event(
            "refresh_start", f"{format_address(address)}: Refreshing state... [id={id_}]", hook=hook
        )
        self.event(
            "refresh_complete", f"{format_address(address)}: Refresh complete [id={id_}]", hook=hook
        )

    def drifted(self, address: Address, action: str) -> None:
        change = {"resource": _resource(address), "action": action}
        message = f"{format_address(address)}: Drift detected ({action})"
        self.event("resource_drift", message, change=change)

    def planned(self, address: Address, action: str, reason: str = "", importing: str = "") -> None:
        change: dict[str, Any] = {"resource": _resource(address), "action": action}
        if reason:
            change["reason"] = reason
        if importing:
            change["importing"] = {"id": importing}
        message = f"{format_address(address)}: Plan to {_PLANNED[action]}"
        self.event("planned_change", message, change=change)

    def summed(self, operation: str, counts: dict[str, int]) -> None:
        add, change, remove = counts["add"], counts["change"], counts["remove"]
        if operation == "plan":
            imports = f"{counts['import']} to import, " if counts["import"] else ""
            message = f"Plan: {imports}{add} to add, {change} to change, {remove} to destroy."
        else:
            imports = f"{counts['import']} imported, " if counts["import"] else ""
            done = f"{imports}{add} added, {change} changed, {remove} destroyed."
            message = f"Apply complete! Resources: {done}"
        self.event("change_summary", message, changes={**counts, "operation": operation})

    def started(self, address: Address, action: str) -> None:
        message = f"{format_address(address)}: {_STARTED[action]}..."
        hook = {"resource": _resource(address), "action": action}
        self.event("apply_start", message, hook=hook)

    def ended(self, address: Address, action: str, seconds: float) -> None:
        message = f"{format_address(address)}: {_ENDED[action]} complete after {seconds:.0f}s"
        hook = {"resource": _resource(address), "action": action, "elapsed_seconds": round(seconds)}
        self.event("apply_complete", message, hook=hook)

    def errored(self, address: Address, action: str, seconds: float) -> None:
        message = f"{format_address(address)}: {_ENDED[action]} errored after {seconds:.0f}s"
        hook = {"resource": _resource(address), "action": action, "elapsed_seconds": round(seconds)}
        self.event("apply_errored", message, hook=hook)

    def fail(self, summary: str, detail: str = "", address: Address | None = None) -> None:
        """Store an error for the end."""
        diagnostic: dict[str, Any] = {"severity": "error", "summary": summary, "detail": detail}
        if address:
            diagnostic["address"] = format_address(address)
        self.errors.append(diagnostic)

    def close(self) -> int:
        """Print the errors; return the exit code."""
        for diagnostic in self.errors:
            self.event(
                "diagnostic",
                f"Error: {diagnostic['summary']}",
                level="error",
                diagnostic=diagnostic,
            )
        return 1 if self.errors else 0


def _resource(address: Address) -> dict[str, str]:
    kind, key = address
    return {
        "addr": format_address(address),
        "module": _MODULE,
        "resource": f'{kind}.this["{key}"]',
        "implied_provider": "aws",
        "resource_type": kind,
        "resource_name": "this",
        "resource_key": key,
    }
