"""Describe a service of an instance, and when systemd starts it again."""

from __future__ import annotations

import asyncio
import signal
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.instances.systemd.units import Unit

CLEAN_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
"""Signals that end a process cleanly (systemd.service(5), Restart=)."""

UNKNOWN = 255
"""The exit code of a daemon, whose parent is the init of its instance."""


@dataclass(kw_only=True)
class Service:
    """A unit and its present state; `pid` leads the process group of its last command."""

    unit: Unit
    state: str = "inactive"
    pid: int = 0
    main: int = 0  # the main process of a service of type forking, which is no child of the cloud
    code: int = 0
    stopping: bool = False
    invocation: str = field(default_factory=lambda: uuid.uuid4().hex)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def is_clean(self, code: int) -> bool:
        """Return True if systemd does not count an exit code as a failure."""
        signals = () if self.unit.kind == "oneshot" else CLEAN_SIGNALS
        return code == 0 or -code in signals or code in self.unit.clean_codes


def restarts(service: Service) -> bool:
    """Return True if systemd.service(5) starts the service again."""
    match service.unit.restart:
        case "always":
            return service.unit.kind != "oneshot"
        case "on-failure" | "on-abnormal":
            return service.state == "failed"
        case "on-success":
            return service.state != "failed"
    return False
