"""What the API's hooks may ask of the machines, from any thread.

The seam between moto and the part that runs things: hooks decide what AWS would
answer, this side makes it so and says when it is done.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any

from local_cloud.instances.machine import Birth, Ground, Machine
from local_cloud.timeline import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local_cloud.behaviors import Answers, Orders, Subject
    from local_cloud.instances.network import Network
    from local_cloud.traffic.plan import Traffic

log = logging.getLogger(__name__)


@dataclasses.dataclass(kw_only=True)
class Cloud:
    """The machines and images of one cloud; its loop is the only one who touches them."""

    ground: Ground
    network: Network
    loop: asyncio.AbstractEventLoop
    traffic: Traffic
    orders: Orders
    moments: Moments = dataclasses.field(default_factory=Moments)
    followers: list[Callable[[], None]] = dataclasses.field(default_factory=list)
    periodic: list[Callable[[], bool]] = dataclasses.field(default_factory=list)  # see `ticker`
    machines: dict[str, Machine] = dataclasses.field(default_factory=dict)
    _background: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)

    def takes_time(self, seconds: float) -> bool:
        """Tell whether anybody would notice a wait of AWS's `seconds` at this speed."""
        return self.ground.clock.scaled(seconds) > 0

    def changed(self) -> None:
        """Let what follows from the API's models follow; call it under the API's lock."""
        for follow in self.followers:
            follow()

    def reconsider(self) -> None:
        """Let running machines do what is ordered of them now; call it under the API's lock."""
        for instance, machine in list(self.machines.items()):
            behaviour = self.orders.of(instance)
            if behaviour != machine.behaviour:
                self._order(instance, functools.partial(Machine.behave, behaviour=behaviour))
        self.changed()

    def answers(self, subject: Subject) -> Answers:
        """Return what load balancers get instead of an instance's own answers."""
        ordered = self.orders.answers_of(subject)
        return "" if ordered == "200" and not self.has_booted(subject.instance) else ordered

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in a thread once `seconds` of AWS's time have passed, unless it ends."""

        async def wait() -> None:
            await self.ground.clock.sleep(seconds)
            await asyncio.to_thread(act)

        self.loop.call_soon_threadsafe(lambda: self._run(wait()))

    def launch(self, birth: Birth) -> None:
        """Make a machine and run it."""
        self.loop.call_soon_threadsafe(self._launch, birth)

    def _launch(self, birth: Birth) -> None:
        machine = Machine(birth, self.ground)
        self.machines[birth.id] = machine
        machine.post(machine.launch)

    def stop(self, instance: str) -> None:
        """Stop a machine."""
        self._order(instance, lambda machine: machine.stop())

    def start(self, instance: str) -> None:
        """Start a stopped machine."""
        self._order(instance, lambda machine: machine.run())

    def reboot(self, instance: str) -> None:
        """Reboot a machine."""
        self._order(instance, lambda machine: machine.reboot())

    def terminate(self, instance: str) -> None:
        """Terminate a machine."""
        self._order(instance, lambda machine: machine.terminate())

    def _order(self, instance: str, act: Callable[[Machine], Coroutine[Any, Any, None]]) -> None:
        def post() -> None:
            if machine := self.machines.get(instance):
                machine.post(lambda: act(machine))

        self.loop.call_soon_threadsafe(post)

    def snapshot(self, image: str, instance: str, settle: Callable[[str], None]) -> None:
        """Make an image of what the instance's directory holds when its turn comes."""

        async def take(machine: Machine) -> None:
            done = await self.ground.images.take(image, machine.root)
            self._run(self._settle(image, self.ground.clock.delays.image, settle, done=done))

        self.loop.call_soon_threadsafe(self.ground.images.expect, image)
        self._order(instance, take)

    def copy(self, image: str, source: str, settle: Callable[[str], None]) -> None:
        """Make an image of another, perhaps in another region."""

        async def duplicate() -> None:
            done = await self.ground.images.duplicate(image, source)
            await self._settle(image, self.ground.clock.delays.copy, settle, done=done)

        self.loop.call_soon_threadsafe(self.ground.images.expect, image)
        self.loop.call_soon_threadsafe(self._run, duplicate())

    async def _settle(
        self, image: str, seconds: float, settle: Callable[[str], None], *, done: bool
    ) -> None:
        await self.ground.clock.sleep(seconds)
        await asyncio.to_thread(settle, "available" if done else "failed")
        log.info("%s: %s", image, "available" if done else "failed")

    def forget(self, image: str) -> None:
        """Delete the files of an image."""
        self.loop.call_soon_threadsafe(self._forget, image)

    def _forget(self, image: str) -> None:
        self._run(self.ground.images.forget(image))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def console(self, instance: str) -> bytes:
        """Return what an instance printed."""
        machine = self.machines.get(instance)
        return machine.output() if machine else b""

    def has_booted(self, instance: str) -> bool:
        """Tell whether an instance answers."""
        machine = self.machines.get(instance)
        return machine is not None and machine.booted.is_set()

    async def close(self) -> None:
        """End every machine."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*(m.close() for m in self.machines.values()), return_exceptions=True)
