"""Read and control a running cloud beside AWS's own API: for tests, benchmarks and `status`."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Calls, faults, behaviors, timeline and load balancers of the cloud at an endpoint."""

    endpoint: str

    def calls(self) -> list[dict[str, Any]]:
        """Return how often each action was called, and how long it took."""
        calls: list[dict[str, Any]] = self._request("GET", "calls")
        return calls

    def count(self, service: str, action: str) -> int:
        """Return how often one action was called."""
        matching = (c for c in self.calls() if (c["service"], c["action"]) == (service, action))
        return sum(call["calls"] for call in matching)

    def forget_calls(self) -> None:
        """Set every count of calls to zero."""
        self._request("DELETE", "calls")

    def timeline(self) -> dict[str, Any]:
        """Return what happened when (see `timeline`), by the machine's monotonic clock."""
        timeline: dict[str, Any] = self._request("GET", "timeline")
        return timeline

    def clear_timeline(self) -> None:
        """Forget every event so far."""
        self._request("DELETE", "timeline")

    def fault(self, *, service: str = "*", action: str = "*", kind: str, **more: Any) -> None:
        """Add a fault: throttle, error-before, error-after or delay (seconds)."""
        fault = {"service": service, "action": action, "kind": kind, **more}
        self._request("POST", "faults", [fault])

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are still to strike."""
        faults: list[dict[str, Any]] = self._request("GET", "faults")
        return faults

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._request("DELETE", "faults")

    def set_behavior(self, behavior: str, **target: Any) -> None:
        """Set a behavior (see `behaviors`) of an image, group, instance or zone."""
        self._request("POST", "behaviors", [{"behavior": behavior, **target}])

    def behaviors(self) -> list[dict[str, Any]]:
        """Return the behaviors that are set."""
        behaviors: list[dict[str, Any]] = self._request("GET", "behaviors")
        return behaviors

    def clear_behaviors(self) -> None:
        """Remove every behavior that was set; tags stay."""
        self._request("DELETE", "behaviors")

    def set_quotas(self, **limits: int) -> None:
        """Lower or raise quotas (see `quotas`), as in `set_quotas(vcpus=4)`; `-` becomes `_`."""
        named = {name.replace("_", "-"): limit for name, limit in limits.items()}
        self._request("POST", "quotas", named)

    def quotas(self) -> dict[str, int]:
        """Return every quota by name."""
        quotas: dict[str, int] = self._request("GET", "quotas")
        return quotas

    def reset_quotas(self) -> None:
        """Restore the quotas' defaults."""
        self._request("DELETE", "quotas")

    def balancers(self) -> list[dict[str, Any]]:
        """Return every listener of every load balancer that takes requests, with its URL."""
        balancers: list[dict[str, Any]] = self._request("GET", "balancers")
        return balancers

    def _request(self, method: str, resource: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  the endpoint is the local cloud's
            f"{self.endpoint}/_local-cloud/{resource}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  the same
            return json.load(response)
