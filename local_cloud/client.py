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
        """Add a fault (see `api.faults`), with its `times`, `seconds`, `status` and the like."""
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

    def add_image(self, **image: str) -> dict[str, str]:
        """Publish an image (see `published_images.added`) in every region; return its id in one."""
        made: dict[str, str] = self._request("POST", "images", image)
        return made

    def shell(self, instance: str) -> dict[str, Any]:
        """Return `argv` and `env` of a root shell, and `pid`; HTTPError 400 if it is down."""
        made: dict[str, Any] = self._request("POST", "shell", instance)
        return made

    def set_role(self, name: str, policy: Any, *, seconds: int | None = None) -> None:
        """Create a role with a policy document, or replace its policy; HTTPError 400 if invalid.

        Its sessions last `seconds` of the wall clock, one hour by default.
        """
        self._request("POST", "roles", {"name": name, "policy": policy, "seconds": seconds})

    def roles(self) -> list[dict[str, Any]]:
        """Return the roles, with how long their sessions last and how many are valid."""
        roles: list[dict[str, Any]] = self._request("GET", "roles")
        return roles

    def assume(self, role: str, *, session: str = "local-cloud") -> dict[str, str]:
        """Return new credentials of a role, in the form of STS; calls with them are judged."""
        made: dict[str, str] = self._request("POST", "sessions", {"role": role, "session": session})
        return made

    def expire_sessions(self, role: str) -> int:
        """End every session of a role now, as if its time had passed; return how many."""
        return int(self._request("DELETE", "sessions", {"role": role}))

    def denials(self) -> list[dict[str, str]]:
        """Return what was denied: role, call, action, resource, decision; oldest first."""
        denials: list[dict[str, str]] = self._request("GET", "permissions")["denials"]
        return denials

    def asked_permissions(self) -> list[dict[str, Any]]:
        """Return every action and resource that the calls of roles needed, and how often."""
        asked: list[dict[str, Any]] = self._request("GET", "permissions")["asked"]
        return asked

    def forget_permissions(self) -> None:
        """Forget denials and what was asked; roles and sessions stay."""
        self._request("DELETE", "permissions")

    def _request(self, method: str, resource: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  the endpoint is the local cloud's
            f"{self.endpoint}/_local-cloud/{resource}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  the same
            return json.load(response)
