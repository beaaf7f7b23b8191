"""How long things take: AWS's delays, divided by the speed of this cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

IMPERCEPTIBLE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Delays:
    """Seconds at speed 1, close to what EC2 takes for a small Linux instance."""

    pending: float = 5.0  # RunInstances, StartInstances: pending -> running
    boot: float = 15.0  # running -> sshd answers, user data starts
    stopping: float = 5.0  # StopInstances: stopping -> stopped
    shutting_down: float = 5.0  # TerminateInstances: shutting-down -> terminated
    image: float = 25.0  # CreateImage: pending -> available
    copy: float = 30.0  # CopyImage: pending -> available
    balancer: float = 120.0  # elbv2 CreateLoadBalancer: provisioning -> active
    console: float = 120.0  # printed -> GetConsoleOutput without Latest shows it
    user_data: float = 30.0  # start of user data -> services start at the latest
    stop_grace: float = 10.0  # SIGTERM -> SIGKILL
    routing: float = 2.0  # a change of a target -> every node of the load balancer has it
    call: float = 0.0  # the network's share of every API call

    @classmethod
    def named(cls, settings: Iterable[str]) -> Delays:
        """Return the delays with some of them set by `NAME=SECONDS`; raise ValueError if not."""
        names = [each.name for each in fields(cls)]
        given: dict[str, float] = {}
        for setting in settings:
            name, _, seconds = setting.partition("=")
            if name.replace("-", "_") not in names:
                known = ", ".join(names).replace("_", "-")
                raise ValueError(f"{setting!r} names no delay; the delays are {known}")
            given[name.replace("-", "_")] = parse_seconds(setting, seconds)
        return cls(**given)


def parse_seconds(setting: str, text: str) -> float:
    """Return the seconds of a setting; raise ValueError if they are invalid."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{setting!r} is not a delay: write NAME=SECONDS, such as boot=30")
    return seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """The delays of one cloud; a delay too short to be noticed is skipped."""

    speed: float = 1.0
    delays: Delays = field(default_factory=Delays)

    def scaled(self, seconds: float) -> float:
        """Return the real seconds for `seconds` of AWS's time."""
        real = seconds / self.speed
        return real if real >= IMPERCEPTIBLE else 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of AWS's time."""
        await asyncio.sleep(self.scaled(seconds))
