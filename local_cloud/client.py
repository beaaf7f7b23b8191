"""What tests and `status` ask of a running cloud beside AWS's own API."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Client:
    """Counts, faults, orders and load balancers of the cloud at an endpoint."""

    endpoint: str

    def calls(self) -> list[dict[str, Any]]:
        """Return how often each action was called, and what it took."""
        answer: list[dict[str, Any]] = self._ask("GET", "calls")
        return answer

    def count(self, service: str, action: str) -> int:
        """Return how often one action was called."""
        of_it = (c for c in self.calls() if (c["service"], c["action"]) == (service, action))
        return sum(call["calls"] for call in of_it)

    def forget_calls(self) -> None:
        """Begin to count from nothing."""
        self._ask("DELETE", "calls")

    def moments(self) -> dict[str, Any]:
        """Return when what happened (see `moments`), by the machine's monotonic clock."""
        answer: dict[str, Any] = self._ask("GET", "moments")
        return answer

    def forget_moments(self) -> None:
        """Begin to remember from nothing."""
        self._ask("DELETE", "moments")

    def fault(self, *, service: str = "*", action: str = "*", kind: str, **more: Any) -> None:
        """Order a fault: throttle, error-before, error-after or delay (seconds)."""
        self._ask("POST", "faults", [{"service": service, "action": action, "kind": kind, **more}])

    def faults(self) -> list[dict[str, Any]]:
        """Return the orders not yet carried out."""
        answer: list[dict[str, Any]] = self._ask("GET", "faults")
        return answer

    def clear_faults(self) -> None:
        """Take every order back."""
        self._ask("DELETE", "faults")

    def order(self, behaviour: str, **whose: Any) -> None:
        """Order a behaviour (see `orders`) of an image, group, instance or zone; seconds, times."""
        self._ask("POST", "orders", [{"behaviour": behaviour, **whose}])

    def orders(self) -> list[dict[str, Any]]:
        """Return the orders that stand."""
        answer: list[dict[str, Any]] = self._ask("GET", "orders")
        return answer

    def clear_orders(self) -> None:
        """Take every order back."""
        self._ask("DELETE", "orders")

    def balancers(self) -> list[dict[str, Any]]:
        """Return every listener of every load balancer that takes requests, with its URL."""
        answer: list[dict[str, Any]] = self._ask("GET", "balancers")
        return answer

    def _ask(self, method: str, resource: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  the endpoint is the local cloud's
            f"{self.endpoint}/_local-cloud/{resource}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            return json.load(answer)
