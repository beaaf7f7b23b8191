"""Run the services of one instance, as systemd does for the units that an image enabled.

A provisioner's session and the booted instance have the same services: the `systemctl` shim
writes its arguments into a FIFO of the instance and prints the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.instances import processes, rootfs, units

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from local_cloud.clock import Clock
    from local_cloud.instances.console import Console
    from local_cloud.instances.isolation import Enclosure

    # Runs one command line; returns the exit status and the output.
    Systemctl = Callable[["Services", list[str]], Awaitable[tuple[int, str]]]

FOLDERS = ("etc/systemd/system", "run/systemd/system")
WANTS = "etc/systemd/system/multi-user.target.wants"
REPLY = re.compile(r"reply\.\w{8}")
REPLY_WITHIN = 5.0
FINAL_OUTPUT_WITHIN = 1.0

# systemd-system.conf(5): DefaultStartLimitBurst= and DefaultStartLimitIntervalSec=.
START_BURST = 5
START_INTERVAL = 10.0


@dataclass(kw_only=True)
class Service:
    """A unit and its present state."""

    unit: units.Unit
    state: str = "inactive"
    pid: int = 0
    code: int = 0
    stopping: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class Services:
    """Starts, restarts and stops the services of one instance."""

    root: Path
    enclosure: Enclosure
    console: Console
    clock: Clock
    environment: Mapping[str, str]
    systemctl: Systemctl
    journal: Console
    running: dict[str, Service] = field(default_factory=dict)
    _requests: int = -1
    _answers: set[asyncio.Task[None]] = field(default_factory=set)

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

    def load(self, name: str) -> units.Unit | None:
        """Read the unit file of this name as the instance has it now."""
        for folder in FOLDERS:
            for candidate in (units.full_name(name), units.file_name(name)):
                path = rootfs.inside(self.root, f"{folder}/{candidate}")
                if path.is_file():
                    return units.parse(name, path.read_text(errors="replace"))
        return None

    def enabled(self) -> list[str]:
        """Return the services that start at boot."""
        wants = self.root / WANTS
        return sorted(entry.name for entry in wants.iterdir()) if wants.is_dir() else []

    async def start_enabled(self) -> None:
        """Start the enabled services, as reaching multi-user.target does."""
        for name in self.enabled():
            if name in self.running or not name.endswith(".service"):
                continue  # user data started it first, and it may have reached its start limit
            if not await self.start(name):
                self.console.say("systemd", f"{name}: no such unit file")

    async def start_all(self) -> None:
        """Start the enabled services and those that ran before.

        A stop that was interrupted is finished first: its service counts as active until then.
        """
        for name in dict.fromkeys([*self.enabled(), *self.running]):
            if name in self.running and self.running[name].stopping:
                await self.stop(name)
            if name.endswith(".service"):
                await self.start(name)

    async def start(self, name: str) -> bool:
        """Start a service and wait until systemd would return; return False without a unit file."""
        unit = self.load(name)
        if unit is None:
            return False
        current = self.running.get(unit.name)
        if current and current.state in {"active", "activating"}:
            return True
        service = Service(unit=unit, state="activating")
        self.running[unit.name] = service
        service.task = asyncio.create_task(self._keep(service))
        await service.settled.wait()
        return True

    async def stop(self, name: str) -> None:
        """Stop a service: SIGTERM, then SIGKILL."""
        service = self.running.get(units.full_name(name))
        if service is None or service.task is None:
            return
        service.stopping = True
        await self._end(service)
        service.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await service.task
        service.state = "inactive"

    async def _end(self, service: Service) -> None:
        grace = max(self.clock.scaled(self.clock.delays.stop_grace), 0.5)
        deadline = time.monotonic() + grace
        processes.send(self._group(service), signal.SIGTERM)
        while self._group(service):
            if time.monotonic() > deadline:
                processes.send(self._group(service), signal.SIGKILL)
            await asyncio.sleep(0.01)

    def _group(self, service: Service) -> list[int]:
        if not service.pid:
            return []
        return [pid for pid in self.enclosure.members() if processes.group(pid) == service.pid]

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
                await self._once(service)
                if service.stopping or not restarts(service):
                    return
                service.state = "activating"  # systemd: activating (auto-restart)
                waited += service.unit.restart_after
                pause = self.clock.scaled(service.unit.restart_after)
                await asyncio.sleep(max(pause, 0.05))
        finally:
            service.settled.set()

    async def _once(self, service: Service) -> None:
        unit = service.unit
        environment = self._environment(unit)
        if environment is None:
            self._set_state(service, "failed", "an EnvironmentFile is missing")
            service.code = 1
            return
        for step in (*unit.start_before, *unit.start):
            is_main = step not in unit.start_before
            code = await self._execute(service, step, environment, is_main=is_main)
            service.code = 0 if step.may_fail else code
            if service.code:
                break
        done = "active" if unit.kind == "oneshot" and unit.stays_active else "inactive"
        self._set_state(service, "failed" if service.code else done, f"exited, {service.code}")

    async def _execute(
        self, service: Service, step: units.Command, environment: dict[str, str], *, is_main: bool
    ) -> int:
        words = self.enclosure.argv(step.expanded(environment), service.unit.directory)
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        service.pid = process.pid
        if is_main and service.unit.kind != "oneshot":
            self._set_state(service, "active", "started")
        stem = service.unit.name.removesuffix(".service")
        output = process.stdout or asyncio.StreamReader()
        printing = asyncio.create_task(self._sink(service.unit).pump(stem, output))
        try:
            async with processes.attended(process):
                code = await processes.exited(process)
            # systemd.kill(5): the rest of the main process's group ends with it.
            processes.send_to_group(service.pid, signal.SIGKILL)
            await asyncio.wait({printing}, timeout=FINAL_OUTPUT_WITHIN)
        finally:
            printing.cancel()
        return code

    # Without a word about it, a service writes to the journal alone, which EC2 does not show.
    def _sink(self, unit: units.Unit) -> Console:
        """Return where the output of a service goes: to the console only if systemd is told so."""
        journald = self.root / "etc/systemd"
        parts = sorted((journald / "journald.conf.d").glob("*.conf"))
        files = [each for each in (journald / "journald.conf", *parts) if each.is_file()]
        forwards = units.forwards_to_console(*(f.read_text(errors="replace") for f in files))
        return self.console if forwards or unit.prints_on_console else self.journal

    def _set_state(self, service: Service, state: str, why: str) -> None:
        service.state = state
        self.console.say("systemd", f"{service.unit.name}: {state}: {why}")
        service.settled.set()

    def _environment(self, unit: units.Unit) -> dict[str, str] | None:
        environment = {**self.environment, **dict(unit.environment)}
        for name in unit.environment_files:
            path = rootfs.inside(self.root, name.lstrip("-"))
            if path.is_file():
                environment |= units.environment_file(path.read_text(errors="replace"))
            elif not name.startswith("-"):
                return None
        return environment


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
