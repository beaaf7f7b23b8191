"""Run a service once, from ExecStartPre to the end of its main process, by its type."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.instances import processes
from local_cloud.instances.systemd.launcher import CannotStartError, Launcher, Started
from local_cloud.instances.systemd.notifications import Notifications
from local_cloud.instances.systemd.service import UNKNOWN, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local_cloud.instances.systemd.units import Command

PAUSE = 0.02
TIMED_OUT = "it was not ready in time"


@dataclass(kw_only=True)
class Run:
    """One run of a service; `tell` reports each state and why it was reached."""

    service: Service
    launcher: Launcher
    tell: Callable[[Service, str, str], None]
    environment: dict[str, str] = field(default_factory=dict)

    async def to_its_end(self) -> None:
        """Start the service and wait until it has ended."""
        unit = self.service.unit
        try:
            self.environment = self.launcher.prepare(self.service)
        except CannotStartError as error:
            self.service.code = 1
            self.tell(self.service, "failed", str(error))
            return
        if code := await self.commands(unit.start_before):
            self._end(code)
            return
        match unit.kind:
            case "oneshot":
                self._end(await self.commands((*unit.start, *unit.start_after)))
            case "forking":
                await self._daemon()
            case _:
                await self._process()

    async def commands(self, commands: Sequence[Command]) -> int:
        """Run commands in turn; return the exit code of the first that fails, or 0."""
        for command in commands:
            started = await self.launcher.start(self.service, command, self.environment)
            code = await self.launcher.finish(started)
            if code and not command.may_fail and not self.service.is_clean(code):
                return code
        return 0

    async def _process(self) -> None:
        """Run a service whose first process is its main one."""
        unit = self.service.unit
        if not unit.start:
            self._end(1)
            return
        with contextlib.ExitStack() as after:
            notifications = self._notifications(after)
            started = await self.launcher.start(self.service, unit.start[0], self.environment)
            ending = asyncio.create_task(self.launcher.finish(started))
            try:
                await self._watch(started, ending, notifications)
                code = await ending
            finally:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)
        if not self.service.settled.is_set() and notifications and code == 0:
            code = 1  # systemd.service(5): it must report that it is ready before it ends
        self._end(0 if unit.start[0].may_fail else code)

    def _notifications(self, after: contextlib.ExitStack) -> Notifications | None:
        if not self.service.unit.kind.startswith("notify"):
            return None
        made = Notifications()
        made.open()
        after.callback(made.close)
        self.environment["NOTIFY_SOCKET"] = made.name
        return made

    async def _watch(
        self, started: Started, ending: asyncio.Task[int], notifications: Notifications | None
    ) -> None:
        """Report a service as active once it is ready; end it if that takes too long."""
        if notifications:
            ready = asyncio.create_task(notifications.ready.wait())
            within = self.service.unit.start_within
            await asyncio.wait({ready, ending}, timeout=within, return_when="FIRST_COMPLETED")
            ready.cancel()
            if ending.done():
                return
            if not notifications.ready.is_set():
                processes.send(self.launcher.members(self.service), signal.SIGKILL)
                self.tell(self.service, "failed", TIMED_OUT)
                return
        await self._become_active()
        self.service.pid = started.process.pid

    async def _become_active(self) -> None:
        if after := self.service.unit.start_after:
            self.environment["MAINPID"] = self.launcher.main_pid(self.service)
            await self.commands(after)
        self.tell(self.service, "active", "started")

    async def _daemon(self) -> None:
        """Run a service whose first process ends when its daemon is ready."""
        service = self.service
        code, started = await self._start_daemon()
        try:
            if code:
                self._end(code)
                return
            service.main = await self._main_process()
            if not service.main and service.unit.pid_file:
                self.tell(service, "failed", f"no process is named in {service.unit.pid_file}")
            else:
                await self._become_active()
                await self._daemon_ended()
            processes.send(self.launcher.members(service), signal.SIGKILL)
        finally:
            for each in started:
                each.printing.cancel()
        if service.state == "active":
            self._end(0 if service.stopping else UNKNOWN)

    async def _start_daemon(self) -> tuple[int, list[Started]]:
        """Run ExecStart; its processes may go on in its group and print on its output."""
        started = []
        for command in self.service.unit.start:
            one = await self.launcher.start(self.service, command, self.environment)
            started.append(one)
            async with processes.attended(one.process):
                try:
                    code = await asyncio.wait_for(
                        processes.exited(one.process), self.service.unit.start_within
                    )
                except TimeoutError:
                    return UNKNOWN, started
            if code and not command.may_fail:
                return code, started
        return 0, started

    async def _main_process(self) -> int:
        """Return the main process; a PID file may be written only after the first process ends."""
        within = self.service.unit.start_within if self.service.unit.pid_file else 0.0
        deadline = asyncio.get_running_loop().time() + within
        while not (found := self.launcher.main_of(self.service)):
            if asyncio.get_running_loop().time() >= deadline:
                return 0
            await asyncio.sleep(PAUSE)
        return found

    async def _daemon_ended(self) -> None:
        if self.service.main:
            await processes.ended(self.service.main)
        while not self.service.main and self.launcher.members(self.service):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(10 * PAUSE)

    def _end(self, code: int) -> None:
        """Report the end of the service."""
        unit = self.service.unit
        self.service.code = 0 if self.service.is_clean(code) else code
        done = "active" if unit.kind == "oneshot" and unit.stays_active else "inactive"
        state = "failed" if self.service.code else done
        if not (self.service.state == "failed" and self.service.settled.is_set()):
            self.tell(self.service, state, f"exited, {code}")
