"""Faults to order: what AWS does to its callers on a bad day.

A fault is for a service and an action, strikes a number of times, and then is gone; or it
strikes a share of all calls, until it is taken back.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import random
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_cloud.api.calls import Call

KINDS = ("throttle", "error-before", "error-after", "delay")
Reply = tuple[int, str, bytes]

# What each protocol says when it throttles: EC2 API "Request throttling", the query
# services' "Common errors", S3 "Error responses".
THROTTLED = {
    "ec2": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "query": (400, "Throttling", "Rate exceeded"),
    "json": (400, "ThrottlingException", "Rate exceeded"),
    "rest-xml": (503, "SlowDown", "Please reduce your request rate."),
}
FAILED = (500, "InternalError", "An internal error has occurred")
BODIES = {
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
    "<RequestID>local-cloud-fault</RequestID></Response>",
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message>"
    "</Error><RequestId>local-cloud-fault</RequestId></ErrorResponse>",
    "rest-xml": "<Error><Code>{code}</Code><Message>{text}</Message>"
    "<RequestId>local-cloud-fault</RequestId></Error>",
}


@dataclasses.dataclass(kw_only=True)
class ApiFault:
    """One order: `kind` strikes `times` calls of `action`, 0: all; `*` stands for any.

    With a `share` below 1 it strikes that share of them. Which ones is chance, but follows from
    `seed` and from how often the action was called since the faults were cleared last: what other
    actions are called in between makes no difference.
    """

    service: str = "*"
    action: str = "*"
    kind: str = "throttle"
    times: int = 1
    seconds: float = 0.0
    code: str = ""
    message: str = ""
    status: int = 0
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is above 0 and at most 1, not {self.share}")

    def strikes(self, call: Call, number: int) -> bool:
        """Tell whether this call is meant, the so-manieth of its action."""
        if self.service not in {"*", call.service} or self.action not in {"*", call.action}:
            return False
        if self.share == 1:
            return True
        chance = random.Random(f"{self.seed} {call.service} {call.action} {number}")  # noqa: S311
        return chance.random() < self.share

    def reply(self, protocol: str) -> Reply:
        """Return the answer in the protocol of the service."""
        status, code, text = THROTTLED[protocol] if self.kind == "throttle" else FAILED
        status, code, text = self.status or status, self.code or code, self.message or text
        if protocol == "json":
            body = json.dumps({"__type": code, "message": text})
            return status, "application/x-amz-json-1.1", body.encode()
        body = BODIES[protocol].format(code=code, text=text)
        return status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


class Faults:
    """The orders not yet carried out, oldest first."""

    def __init__(self) -> None:
        self._orders: list[ApiFault] = []
        self._seen: collections.Counter[Call] = collections.Counter()
        self._lock = threading.Lock()

    def order(self, orders: list[dict[str, Any]]) -> None:
        """Add orders; all of them or, if one makes no sense, none."""
        faults = [ApiFault(**order) for order in orders]
        with self._lock:
            self._orders += faults

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._orders.clear()
            self._seen.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the orders as they stand."""
        with self._lock:
            return [dataclasses.asdict(fault) for fault in self._orders]

    def next_for(self, call: Call) -> ApiFault | None:
        """Return the fault that strikes this call, and count it."""
        with self._lock:
            self._seen[call] += 1
            for fault in self._orders:
                if fault.strikes(call, self._seen[call]):
                    self._strike(fault)
                    return fault
        return None

    def _strike(self, fault: ApiFault) -> None:
        if fault.times == 1:
            self._orders.remove(fault)
        fault.times = max(0, fault.times - 1)
