"""Run the services of one instance, as systemd does for the units that an image enabled.

A provisioner's session and the booted instance have the same services: the shim of `systemctl` and
`journalctl` writes its arguments into a FIFO of the instance and prints the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import graphlib
import os
import re
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.instances import processes
from local_cloud.instances.systemd import unit_files
from local_cloud.instances.systemd.launcher import Launcher
from local_cloud.instances.systemd.run import Run
from local_cloud.instances.systemd.service import Service, restarts
from local_cloud.instances.systemd.unit_syntax import full_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from local_cloud.clock import Clock
    from local_cloud.instances.console import Console
    from local_cloud.instances.isolation import Enclosure
    from local_cloud.instances.systemd.journal import Journal
    from local_cloud.instances.systemd.units import Unit

    # Runs one command line; returns the exit status and the output.
    Systemctl = Callable[["Services", list[str]], Awaitable[tuple[int, str]]]

REPLY = re.compile(r"reply\.\w{8}")
REPLY_WITHIN = 5.0
JOURNALCTL = "journalctl"
"""The first word of a request for the journal."""
SHORTEST_STOP = 0.5

# systemd-system.conf(5): DefaultStartLimitBurst= and DefaultStartLimitIntervalSec=.
START_BURST = 5
START_INTERVAL = 10.0

PROVIDED = re.compile(r"sshd?\.service|systemd-.*|(network(ing|d)?|cloud-.*|dbus)\.service")
"""What the local cloud does in their place, or what has no sense in an instance of it."""


@dataclass(kw_only=True)
class Services:
    """Starts, restarts and stops the services of one instance."""

    root: Path
    enclosure: Enclosure
    console: Console
    clock: Clock
    environment: Mapping[str, str]
    systemctl: Systemctl
    journal: Journal
    prefix: Sequence[str] = ()  # the words before each command line
    seen: Callable[[bytes], object] = lambda _: None
    running: dict[str, Service] = field(default_factory=dict)
    _named: set[str] = field(default_factory=set)
    _requests: int = -1
    _answers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def launcher(self) -> Launcher:
        """Starts the commands of the services."""
        return Launcher(
            root=self.root,
            enclosure=self.enclosure,
            console=self.console,
            journal=self.journal,
            environment=self.environment,
            prefix=self.prefix,
            seen=self.seen,
        )

    def open(self, shims: Path) -> None:
        """Listen for the requests of this instance's shim."""
        self._requests = os.open(shims / "requests", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._requests, self._on_request, shims)

    def _on_request(self, shims: Path) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._requests, 65536).decode(errors="replace").splitlines():
                reply, *words = line.split("\t")
                if REPLY.fullmatch(reply):
                    task = asyncio.create_task(self._answer(shims / reply, words))
                    self._answers.add(task)
                    task.add_done_callback(self._answers.discard)

    async def _answer(self, reply: Path, words: list[str]) -> None:
        if words[:1] == [JOURNALCTL]:
            code, text = self.journal.journalctl(words[1:])
        else:
            code, text = await self.systemctl(self, words)
        deadline = time.monotonic() + REPLY_WITHIN
        while time.monotonic() < deadline:
            try:
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
                pipe = os.open(reply, flags)
            except OSError:  # the shim has not opened its end yet
                await asyncio.sleep(0.005)
            else:
                os.write(pipe, f"{code}\n{text}".encode()[:60_000])
                os.close(pipe)
                return

    def load(self, name: str) -> Unit | None:
        """Read the unit file of this name as the instance has it now."""
        return unit_files.load(self.root, name)

    def enabled(self) -> list[str]:
        """Return the units that start at boot."""
        return unit_files.wanted(self.root, "multi-user.target")

    async def start_enabled(self) -> None:
        """Start the enabled services, as reaching multi-user.target does."""
        if others := unit_files.others(self.root):
            self.console.say("systemd", f"only services are started, not {', '.join(others)}")
        # User data may have started one, and it may have reached its start limit.
        names = [name for name in self.services() if name not in self.running]
        for name in names:
            if self.load(name) is None:
                self.console.say("systemd", f"{name}: no such unit file")
        await self._start_in_order(names)

    def services(self) -> list[str]:
        """Return the services that start at boot."""
        return [name for name in self.enabled() if name.endswith(".service")]

    async def start_all(self) -> None:
        """Start the enabled services and those that ran before.

        A stop that was interrupted is finished first: its service counts as active until then.
        """
        names = dict.fromkeys([*self.services(), *self.running])
        for name in names:
            if name in self.running and self.running[name].stopping:
                await self.stop(name)
        await self._start_in_order(names)

    async def start(self, name: str) -> bool:
        """Start a service and what it wants, and wait until systemd would return.

        Return False without a unit file.
        """
        if self.load(name) is None:
            return False
        await self._start_in_order([full_name(name)])
        return True

    async def _start_in_order(self, names: Iterable[str]) -> None:
        """Start services and what they want, those of After= and Before= one after the other."""
        units = self._with_wanted(names)
        order = graphlib.TopologicalSorter(
            {
                name: [
                    other
                    for other, unit in units.items()
                    if other in units[name].after or name in unit.before
                ]
                for name in units
            }
        )
        try:
            order.prepare()
        except graphlib.CycleError as error:
            self.console.say("systemd", f"ordering cycle, not ordered: {', '.join(error.args[1])}")
            await asyncio.gather(*map(self._start, units.values()))
            return
        while order.is_active():
            ready = order.get_ready()
            await asyncio.gather(*(self._start(units[name]) for name in ready))
            order.done(*ready)

    def _with_wanted(self, names: Iterable[str]) -> dict[str, Unit]:
        units: dict[str, Unit] = {}
        left = list(names)
        while left:
            name = left.pop()
            unit = None if name in units else self.load(name)
            if unit:
                units[unit.name] = unit
                left += [name for name in unit.wants if name.endswith(".service")]
        return units

    async def _start(self, unit: Unit) -> None:
        if PROVIDED.fullmatch(unit.name):
            self._say_once(unit.name, "not started: the local cloud does its work")
            return
        current = self.running.get(unit.name)
        if current and current.state in {"active", "activating"}:
            await current.settled.wait()
            return
        self._name_ignored(unit)
        service = Service(unit=unit, state="activating")
        self.running[unit.name] = service
        service.task = asyncio.create_task(self._keep(service))
        await service.settled.wait()

    def _name_ignored(self, unit: Unit) -> None:
        names = list(unit.ignored)
        if unit.user not in {"", "root"} and not self.enclosure.has_users:
            names.append(f"User={unit.user} (this isolation has one user)")
        if names:
            self._say_once(unit.name, f"the local cloud ignores {', '.join(names)}")

    def _say_once(self, name: str, text: str) -> None:
        if name not in self._named:
            self._named.add(name)
            self.console.say("systemd", f"{name}: {text}")

    async def reload(self, name: str) -> int | None:
        """Run ExecReload=; return its exit code, or None without one."""
        service = self.running.get(full_name(name))
        if service is None or not service.unit.reload:
            return None
        return await self._control(service).commands(service.unit.reload)

    def _control(self, service: Service) -> Run:
        """Return what runs the commands that control a service beside its main process."""
        environment = {
            **self.launcher.prepare(service),
            "MAINPID": self.launcher.main_pid(service),
        }
        beside = Service(unit=service.unit)
        return Run(
            service=beside, launcher=self.launcher, tell=self._set_state, environment=environment
        )

    async def stop(self, name: str) -> None:
        """Stop a service: ExecStop=, KillSignal=, then SIGKILL."""
        service = self.running.get(full_name(name))
        if service is None or service.task is None:
            return
        service.stopping = True
        grace = self._grace(service.unit)
        if service.unit.stop and service.state == "active":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    self._control(service).commands(service.unit.stop), max(grace, 5.0)
                )
        await self._end(service, grace)
        service.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await service.task
        service.state = "inactive"

    def _grace(self, unit: Unit) -> float:
        seconds = self.clock.delays.stop_grace if unit.stop_within is None else unit.stop_within
        return max(self.clock.scaled(seconds), SHORTEST_STOP)

    async def _end(self, service: Service, grace: float) -> None:
        deadline = time.monotonic() + grace
        processes.send(self._first_to_stop(service), service.unit.kill_signal)
        while left := self.launcher.members(service):
            if time.monotonic() > deadline:
                processes.send(left, signal.SIGKILL)
            await asyncio.sleep(0.01)

    def _first_to_stop(self, service: Service) -> list[int]:
        members = self.launcher.members(service)
        if service.unit.kill_mode != "mixed":
            return members
        main = self.launcher.main_process(service, members)
        return [main] if main else members

    def quiesce(self) -> None:
        """Restart no service from now on: the instance is going down."""
        for service in self.running.values():
            service.stopping = True

    async def close(self) -> None:
        """Forget every service; their processes have ended with the instance."""
        tasks = [s.task for s in self.running.values() if s.task] + list(self._answers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.running.clear()
        if self._requests >= 0:
            asyncio.get_running_loop().remove_reader(self._requests)
            os.close(self._requests)
            self._requests = -1

    async def _keep(self, service: Service) -> None:
        starts: list[float] = []
        waited = 0.0  # in AWS's seconds; the time of the process itself is real
        try:
            while True:
                now = time.monotonic() + waited
                starts = [s for s in starts if s > now - START_INTERVAL] + [now]
                if len(starts) > START_BURST:
                    self._set_state(service, "failed", "start request repeated too quickly")
                    return
                await Run(
                    service=service, launcher=self.launcher, tell=self._set_state
                ).to_its_end()
                if service.stopping or not restarts(service):
                    return
                service.state = "activating"  # systemd: activating (auto-restart)
                service.main = 0
                waited += service.unit.restart_after
                pause = self.clock.scaled(service.unit.restart_after)
                await asyncio.sleep(max(pause, 0.05))
        finally:
            service.settled.set()

    def _set_state(self, service: Service, state: str, why: str) -> None:
        service.state = state
        self.console.say("systemd", f"{service.unit.name}: {state}: {why}")
        service.settled.set()
