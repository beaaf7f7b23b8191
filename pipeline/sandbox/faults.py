"""Faults to order: what AWS does to its callers on a bad day.

A fault is for a service and an action, strikes a number of times, and then is gone.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.sandbox.calls import Call

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
class Fault:
    """One order: `kind` strikes `times` calls of `action`; `*` stands for any."""

    service: str = "*"
    action: str = "*"
    kind: str = "throttle"
    times: int = 1
    seconds: float = 0.0
    code: str = ""
    message: str = ""
    status: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")

    def strikes(self, call: Call) -> bool:
        """Tell whether this call is meant."""
        return self.service in {"*", call.service} and self.action in {"*", call.action}

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
        self._orders: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, orders: list[dict[str, Any]]) -> None:
        """Add orders; all of them or, if one makes no sense, none."""
        faults = [Fault(**order) for order in orders]
        with self._lock:
            self._orders += faults

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._orders.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the orders as they stand."""
        with self._lock:
            return [dataclasses.asdict(fault) for fault in self._orders]

    def next_for(self, call: Call) -> Fault | None:
        """Return the fault that strikes this call, and count it."""
        with self._lock:
            for fault in self._orders:
                if fault.strikes(call):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._orders.remove(fault)
                    return fault
        return None
