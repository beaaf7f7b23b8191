"""Carry out the behavior of a booted instance: real services end, real instances stop.

Separate from `machine`, which runs an instance as its image wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_cloud.behaviors import Behavior
    from local_cloud.clock import Clock
    from local_cloud.instances.systemd.services import Services

SHORTEST = 0.2  # real seconds of one half of a flap: a service needs time to start


async def run(
    behavior: Behavior,
    services: Services,
    clock: Clock,
    shut_down: Callable[[], Awaitable[None]],
) -> None:
    """Misbehave from now on."""
    match behavior.kind:
        case "dies":
            await clock.sleep(behavior.seconds)
            await stop_services(services)
        case "flaps":
            await flap(services, clock, behavior.seconds)
        case "exits":
            await clock.sleep(behavior.seconds)
            services.console.say("local cloud", "this instance shuts down by its behavior")
            await shut_down()


async def flap(services: Services, clock: Clock, seconds: float) -> None:
    """Stop the services and start them again, for ever."""
    while True:
        await clock.sleep(max(seconds, SHORTEST * clock.speed))
        await stop_services(services)
        await clock.sleep(max(seconds, SHORTEST * clock.speed))
        await services.start_all()


async def stop_services(services: Services) -> None:
    """Stop every service for good."""
    services.console.say("local cloud", "the services end by the behavior of this instance")
    for name in list(services.running):
        await services.stop(name)
