"""The seam between moto and the part that runs instances.

Patches decide what AWS would answer; this side makes it so and reports when it is done. Every
method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from local_cloud.behaviors import Answers, Behaviors, BehaviorTarget
from local_cloud.instances.machine import InstanceHost, InstanceSpec, Machine
from local_cloud.instances.network import Network
from local_cloud.instances.remote_command import RemoteCommand
from local_cloud.metrics.collector import Collector
from local_cloud.permissions.roles import Roles
from local_cloud.published_images import PublishedImage
from local_cloud.quotas import Quotas
from local_cloud.timeline import Timeline
from local_cloud.traffic.plan import Traffic

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Cloud:
    """The machines and images of one cloud; only its event loop touches them."""

    host: InstanceHost
    network: Network
    loop: asyncio.AbstractEventLoop
    traffic: Traffic
    behaviors: Behaviors
    timeline: Timeline = field(default_factory=Timeline)
    roles: Roles = field(default_factory=Roles)
    metrics: Collector = field(default_factory=lambda: Collector.at(1.0))
    quotas: Quotas = field(default_factory=Quotas)
    on_change: list[Callable[[], None]] = field(default_factory=list)
    periodic: list[Callable[[], bool]] = field(default_factory=list)  # see `ticker`
    machines: dict[str, Machine] = field(default_factory=dict)
    added_images: list[PublishedImage] = field(default_factory=list)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def takes_time(self, seconds: float) -> bool:
        """Return True if AWS's `seconds` are long enough to be noticed at this speed."""
        return self.host.clock.scaled(seconds) > 0

    def changed(self) -> None:
        """Run what follows from a change of the models; call it under the API's lock."""
        for act in self.on_change:
            act()

    def apply_behaviors(self) -> None:
        """Let running machines take their present behavior; call it under the API's lock."""
        for instance, machine in list(self.machines.items()):
            behavior = self.behaviors.of(instance)
            if behavior != machine.behavior:
                self._post(instance, functools.partial(Machine.behave, behavior=behavior))
        self.changed()

    def answers(self, target: BehaviorTarget) -> Answers:
        """Return what load balancers get instead of an instance's own answers."""
        answers = self.behaviors.answers_of(target)
        return "" if answers == "200" and not self.has_booted(target.instance) else answers

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Run something in a thread after `seconds` of AWS's time, unless the cloud ends."""

        async def wait() -> None:
            await self.host.clock.sleep(seconds)
            await asyncio.to_thread(act)

        self.loop.call_soon_threadsafe(lambda: self._run(wait()))

    def launch(self, spec: InstanceSpec) -> None:
        """Make a machine and run it."""
        self._expect_clients(spec)
        self.loop.call_soon_threadsafe(self._launch, spec)

    def _launch(self, spec: InstanceSpec) -> None:
        machine = Machine(spec, self.host)
        self.machines[spec.id] = machine
        machine.post(machine.launch)

    def _expect_clients(self, spec: InstanceSpec) -> None:
        """Let clients connect by SSH at once, if AWS shows the instance as running at once."""
        if self.takes_time(self.host.clock.delays.pending) or spec.is_hollow:
            return
        with contextlib.suppress(OSError):  # the machine says so on its console
            self.host.ssh.listen(spec.address)

    def stop(self, instance: str) -> None:
        """Stop a machine."""
        self._post(instance, lambda machine: machine.stop())

    def start(self, instance: str) -> None:
        """Start a stopped machine."""
        if machine := self.machines.get(instance):
            self._expect_clients(machine.spec)
        self._post(instance, lambda machine: machine.run())

    def reboot(self, instance: str) -> None:
        """Reboot a machine."""
        self._post(instance, lambda machine: machine.reboot())

    def terminate(self, instance: str) -> None:
        """Terminate a machine."""
        self._post(instance, lambda machine: machine.terminate())

    def _post(self, instance: str, act: Callable[[Machine], Coroutine[Any, Any, None]]) -> None:
        def post() -> None:
            if machine := self.machines.get(instance):
                machine.post(lambda: act(machine))

        self.loop.call_soon_threadsafe(post)

    def snapshot(
        self, image: str, instance: str, settle: Callable[[str], None], *, longer: float = 0.0
    ) -> None:
        """Make an image of an instance's directory after the steps posted before.

        It takes `longer` of AWS's seconds more than usual.
        """
        takes = self.host.clock.delays.image + longer

        async def take(machine: Machine) -> None:
            done = await self.host.images.take(image, machine.disk.written)
            self._run(self._settle(image, takes, settle, done=done))

        self.loop.call_soon_threadsafe(self.host.images.expect, image)
        self._post(instance, take)

    def copy(
        self, image: str, source: str, settle: Callable[[str], None], *, longer: float = 0.0
    ) -> None:
        """Make an image of another, perhaps in another region; `longer` as for `snapshot`."""
        takes = self.host.clock.delays.copy + longer

        async def duplicate() -> None:
            done = await self.host.images.duplicate(image, source)
            await self._settle(image, takes, settle, done=done)

        self.loop.call_soon_threadsafe(self.host.images.expect, image)
        self.loop.call_soon_threadsafe(self._run, duplicate())

    async def _settle(
        self, image: str, seconds: float, settle: Callable[[str], None], *, done: bool
    ) -> None:
        await self.host.clock.sleep(seconds)
        await asyncio.to_thread(settle, "available" if done else "failed")
        log.info("%s: %s", image, "available" if done else "failed")

    def forget(self, image: str) -> None:
        """Delete the files of an image."""
        self.loop.call_soon_threadsafe(self._forget, image)

    def _forget(self, image: str) -> None:
        self._run(self.host.images.forget(image))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def console(self, instance: str, *, latest: bool) -> bytes:
        """Return the console output of an instance; without `latest`, that of some minutes ago."""
        machine = self.machines.get(instance)
        return machine.output(latest=latest) if machine else b""

    def send(self, instance: str, command: RemoteCommand) -> None:
        """Run a command in an instance, now or once its agent is there."""

        def run() -> None:
            if machine := self.machines.get(instance):
                self._run(command.run(machine, self.host.clock))

        self.loop.call_soon_threadsafe(run)

    def cancel(self, command: RemoteCommand) -> None:
        """End a command that was sent."""
        self.loop.call_soon_threadsafe(command.cancel)

    def shell(self, instance: str) -> dict[str, Any]:
        """Return the command line and the variables of a root shell, and the cloud's process.

        Raises ValueError if it does not run.
        """
        machine = self.machines.get(instance)
        if machine is None or machine.is_hollow or not machine.booted.is_set():
            raise ValueError(f"{instance} does not run, or it has not booted")
        start = 'exec "$(command -v bash || echo /bin/sh)"'
        argv = machine.enclosure.argv(["/bin/sh", "-c", start], "/root")
        env = {**machine.environment, "PS1": f"{instance}# "}
        return {"argv": argv, "env": env, "pid": os.getpid()}

    def has_agent(self, instance: str) -> bool:
        """Return True if an instance has booted once, and has processes."""
        machine = self.machines.get(instance)
        return machine is not None and machine.has_agent

    def has_booted(self, instance: str) -> bool:
        """Return True if an instance has booted."""
        machine = self.machines.get(instance)
        return machine is not None and machine.booted.is_set()

    async def close(self) -> None:
        """End every machine."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*(m.close() for m in self.machines.values()), return_exceptions=True)
