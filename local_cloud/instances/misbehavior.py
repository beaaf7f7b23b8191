"""What a machine does that was ordered to go wrong: real services end, real instances stop.

Apart from `machines`, which lets an instance live as it should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_cloud.behaviors import Behaviour
    from local_cloud.clock import Clock
    from local_cloud.instances.services import Services

SHORTEST = 0.2  # real seconds of one half of a flap: a service takes its time to start


async def follow(
    behaviour: Behaviour,
    services: Services,
    clock: Clock,
    shut_down: Callable[[], Awaitable[None]],
) -> None:
    """Do what was ordered of an instance that has booted, from now on."""
    match behaviour.kind:
        case "dies":
            await clock.sleep(behaviour.seconds)
            await silence(services)
        case "flaps":
            await flap(services, clock, behaviour.seconds)
        case "exits":
            await clock.sleep(behaviour.seconds)
            services.console.say("local cloud", "it was ordered that this instance shuts down")
            await shut_down()


async def flap(services: Services, clock: Clock, seconds: float) -> None:
    """End the services and start them again, for ever."""
    while True:
        await clock.sleep(max(seconds, SHORTEST * clock.speed))
        await silence(services)
        await clock.sleep(max(seconds, SHORTEST * clock.speed))
        await services.start_all()


async def silence(services: Services) -> None:
    """End every service and keep it down."""
    services.console.say("local cloud", "it was ordered that the services end")
    for name in list(services.running):
        await services.stop(name)
