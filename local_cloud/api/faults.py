"""Inject faults into API calls: throttling, errors, delays, and failures of the way to the API.

A fault names a service and an action. It strikes a number of calls and is then used up, or it
strikes a share of all calls until it is cleared.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from local_cloud.api import late
from local_cloud.api.call import Call
from local_cloud.consistency.setting import may_be_stale

Reply = tuple[int, str, bytes]
"""Status, content type (empty for none) and body."""

KINDS = (
    "throttle",
    "error-before",
    "error-after",
    "empty-before",
    "empty-after",
    "html-before",
    "html-after",
    "reset-before",
    "reset-after",
    "truncated",
    "outage",
    "delay",
    "stale",
    "late",
)
"""`-before`: the call is not executed; `-after`: it is, and its answer is lost."""

# What each protocol answers when it throttles: EC2 API "Request throttling", the query
# services' "Common errors", S3 "Error responses".
THROTTLED = {
    "ec2": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "query": (400, "Throttling", "Rate exceeded"),
    "json": (400, "ThrottlingException", "Rate exceeded"),
    "rest-xml": (503, "SlowDown", "Please reduce your request rate."),
}
FAILED = (500, "InternalError", "An internal error has occurred")
# What a gateway between client and service answers, with a page or without one: the status alone
# says what happened (RFC 9110, 15.6.3-15.6.5; ALB User Guide, "Troubleshoot").
GATEWAY = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    "<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
)
BODIES = {
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
    "<RequestID>local-cloud-fault</RequestID></Response>",
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message>"
    "</Error><RequestId>local-cloud-fault</RequestId></ErrorResponse>",
    "rest-xml": "<Error><Code>{code}</Code><Message>{text}</Message>"
    "<RequestId>local-cloud-fault</RequestId></Error>",
}


@dataclass(kw_only=True, slots=True)
class ApiFault:
    """A fault that strikes `times` calls of `action`; 0 means all calls, `*` any name.

    With a `share` below 1 it strikes that share of the calls, chosen at random. The choice is
    the same for the same `seed` and the same number of calls of the action since the last clear.
    Calls of other actions do not change it. With an `agent` it strikes only the calls of clients
    whose User-Agent contains that text.
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
    agent: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.kind == "late":
            late.check(self.service, self.action)
        if self.kind == "stale" and "*" not in {self.service, self.action}:
            check_stale(self.service, self.action)
        if not 0 < self.share <= 1:
            raise ValueError(f"share is above 0 and at most 1, not {self.share}")

    def strikes(self, call: Call, number: int, agent: str = "") -> bool:
        """Return True if the fault strikes this call, the Nth call of its action.

        `agent` is what the client says about itself (the header User-Agent).
        """
        if self.agent not in agent:
            return False
        if self.service not in {"*", call.service} or self.action not in {"*", call.action}:
            return False
        if self.kind == "stale" and not may_be_stale(call.service, call.action):
            return False
        if self.share == 1:
            return True
        chance = random.Random(f"{self.seed} {call.service} {call.action} {number}")  # noqa: S311
        return chance.random() < self.share

    @property
    def takes_effect(self) -> bool:
        """True if the call is executed and its answer is lost."""
        return self.kind.endswith("-after")

    def reply(self, protocol: str) -> Reply:
        """Return the answer in the protocol of the service, or of a gateway before it."""
        if self.kind.startswith("empty-"):
            return self.status or 503, "", b""
        if self.kind.startswith("html-"):
            status = self.status or 502
            page = PAGE.format(title=f"{status} {GATEWAY.get(status, 'Error')}")
            return status, "text/html", page.encode()
        status, code, text = THROTTLED[protocol] if self.kind == "throttle" else FAILED
        status, code, text = self.status or status, self.code or code, self.message or text
        if protocol == "json":
            body = json.dumps({"__type": code, "message": text})
            return status, "application/x-amz-json-1.1", body.encode()
        body = BODIES[protocol].format(code=code, text=text)
        return status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


def check_stale(service: str, action: str) -> None:
    """Raise ValueError if the reads of an action are always current."""
    if not may_be_stale(service, action):
        raise ValueError(f"{service} {action} is not a read that AWS answers from the past")


class Faults:
    """The faults that are still to strike, oldest first.

    `remember` is told how many seconds of the past they need; 0 after a clear.
    """

    def __init__(self, remember: Callable[[float], None] = lambda _seconds: None) -> None:
        self._remember = remember
        self._faults: list[ApiFault] = []
        self._counts: Counter[Call] = Counter()
        self._lock = threading.Lock()

    def add(self, faults: list[dict[str, Any]]) -> None:
        """Add faults; none if one of them is invalid."""
        added = [ApiFault(**fault) for fault in faults]
        if past := max((fault.seconds for fault in added if fault.kind == "stale"), default=0.0):
            self._remember(past)
        with self._lock:
            self._faults += added

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()
            self._counts.clear()
        self._remember(0)

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults that are still to strike."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def next_for(self, call: Call, agent: str = "") -> ApiFault | None:
        """Return the fault that strikes this call of a client, and count it."""
        with self._lock:
            self._counts[call] += 1
            for fault in self._faults:
                if fault.strikes(call, self._counts[call], agent):
                    self._strike(fault)
                    return fault
        return None

    def _strike(self, fault: ApiFault) -> None:
        if fault.times == 1:
            self._faults.remove(fault)
        fault.times = max(0, fault.times - 1)
