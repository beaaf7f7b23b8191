"""How long things take: AWS's delays, divided by the speed of this cloud."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

IMPERCEPTIBLE = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delays:
    """Seconds at speed 1, near what EC2 takes for a small Linux instance."""

    pending: float = 5.0  # RunInstances, StartInstances: pending -> running
    boot: float = 15.0  # running -> sshd answers, user data begins
    stopping: float = 5.0  # StopInstances: stopping -> stopped
    shutting_down: float = 5.0  # TerminateInstances: shutting-down -> terminated
    image: float = 25.0  # CreateImage: pending -> available
    copy: float = 30.0  # CopyImage: pending -> available
    balancer: float = 120.0  # elbv2 CreateLoadBalancer: provisioning -> active
    user_data: float = 30.0  # services start at the latest so long after user data began
    stop_grace: float = 10.0  # SIGTERM -> SIGKILL
    routing: float = 2.0  # a change of a target -> every node of the load balancer knows
    call: float = 0.0  # what every API call takes on its way there and back

    @classmethod
    def named(cls, settings: Iterable[str]) -> Delays:
        """Return the delays in which some are as `NAME=SECONDS` says; a ValueError says why not."""
        names = [field.name for field in dataclasses.fields(cls)]
        given: dict[str, float] = {}
        for setting in settings:
            name, _, seconds = setting.partition("=")
            if name.replace("-", "_") not in names:
                known = ", ".join(names).replace("_", "-")
                raise ValueError(f"{setting!r} names no delay; the delays are {known}")
            given[name.replace("-", "_")] = read(setting, seconds)
        return cls(**given)


def read(setting: str, text: str) -> float:
    """Return the seconds of a setting; a ValueError says why there are none."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{setting!r} is no delay: write NAME=SECONDS, such as boot=30")
    return seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clock:
    """The delays of one cloud; what would pass unnoticed takes no time at all."""

    speed: float = 1.0
    delays: Delays = dataclasses.field(default_factory=Delays)

    def scaled(self, seconds: float) -> float:
        """Return how long `seconds` of AWS's time take here."""
        here = seconds / self.speed
        return here if here >= IMPERCEPTIBLE else 0.0

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of AWS's time pass."""
        await asyncio.sleep(self.scaled(seconds))
