"""Start the commands of services in an instance, and find the processes of a service.

systemd knows them by their control group. Here they have the process group, the INVOCATION_ID
(systemd.exec(5)) or a parent of the service.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_cloud.instances import processes, rootfs
from local_cloud.instances.console import read_line
from local_cloud.instances.systemd import unit_syntax

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from local_cloud.instances.console import Console
    from local_cloud.instances.isolation import Enclosure
    from local_cloud.instances.rootfs import Identity
    from local_cloud.instances.systemd.journal import Journal
    from local_cloud.instances.systemd.service import Service
    from local_cloud.instances.systemd.units import Command, Unit

FINAL_OUTPUT_WITHIN = 1.0
ROOT = "root"


class CannotStartError(Exception):
    """A service lacks what its unit needs; the text says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A process that was started, and the task that prints its output."""

    process: asyncio.subprocess.Process
    printing: asyncio.Task[None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Launcher:
    """Starts commands in one instance."""

    root: Path
    enclosure: Enclosure
    console: Console
    journal: Journal
    environment: Mapping[str, str]
    prefix: Sequence[str] = ()
    seen: Callable[[bytes], object] = lambda _: None

    def prepare(self, service: Service) -> dict[str, str]:
        """Make the folders of a service; return its environment or raise CannotStartError."""
        unit = service.unit
        user = self.user_of(unit)
        for each in unit.directories:
            path = rootfs.inside(self.root, each.path)
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(each.mode)
            if user:
                os.chown(path, user.user, user.group)
        return {
            **self.environment,
            **login(user),
            "INVOCATION_ID": service.invocation,
            **dict(unit.environment),
            **self._from_files(unit),
        }

    def _from_files(self, unit: Unit) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in unit.environment_files:
            path = rootfs.inside(self.root, name.lstrip("-"))
            if path.is_file():
                found |= unit_syntax.environment_file(path.read_text(errors="replace"))
            elif not name.startswith("-"):
                raise CannotStartError("an EnvironmentFile is missing")
        return found

    def user_of(self, unit: Unit) -> Identity | None:
        """Return the user of a service if it is another than root; raise CannotStartError."""
        if not self.enclosure.has_users or not (unit.user or unit.group):
            return None
        found = rootfs.identity(self.root, unit.user or ROOT, unit.group, unit.groups)
        if found is None:
            names = " ".join(filter(None, (unit.user, unit.group, *unit.groups)))
            raise CannotStartError(f"no such user or group: {names}")
        return found

    async def start(
        self, service: Service, command: Command, environment: dict[str, str]
    ) -> Started:
        """Start a command; its output goes where that of the service goes."""
        unit = service.unit
        user = None if command.privileged else self.user_of(unit)
        words = command.expanded(environment)
        process = await asyncio.create_subprocess_exec(
            *self.prefix,
            *self.enclosure.argv(words, unit.directory, user),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        service.pid = process.pid
        stem = unit.name.removesuffix(".service")
        output = process.stdout or asyncio.StreamReader()
        return Started(
            process=process, printing=asyncio.create_task(self.printing(unit, stem, output))
        )

    async def finish(self, started: Started) -> int:
        """Wait for a process; end the rest of its group and return its exit code."""
        try:
            async with processes.attended(started.process):
                code = await processes.exited(started.process)
            # systemd.kill(5): the rest of the group ends with it.
            processes.send_to_group(started.process.pid, signal.SIGKILL)
            await asyncio.wait({started.printing}, timeout=FINAL_OUTPUT_WITHIN)
        finally:
            started.printing.cancel()
        return code

    async def printing(self, unit: Unit, name: str, output: asyncio.StreamReader) -> None:
        """Append the output of a service to the journal, and to the console if it goes there."""
        if self.prints_on_console(unit):
            await self.console.pump(name, output, self.seen)
            return
        while line := await read_line(output):
            self.journal.heard(name, line)
            self.seen(line)

    # Without a word about it, a service writes to the journal alone, which EC2 does not show.
    def prints_on_console(self, unit: Unit) -> bool:
        """Return True if systemd is told to show the output of a service on the console, too."""
        journald = self.root / "etc/systemd"
        parts = sorted((journald / "journald.conf.d").glob("*.conf"))
        files = [each for each in (journald / "journald.conf", *parts) if each.is_file()]
        texts = (each.read_text(errors="replace") for each in files)
        forwards = unit_syntax.forwards_to_console(*texts)
        return forwards or unit.prints_on_console

    def members(self, service: Service) -> list[int]:
        """Return the processes of a service."""
        entry = f"INVOCATION_ID={service.invocation}"
        everyone = self.enclosure.members()
        found = {
            pid
            for pid in everyone
            if pid == service.main
            or (service.pid and processes.group(pid) == service.pid)
            or processes.has_entry(pid, entry)
        }
        return sorted(found | descendants(found, everyone))

    def main_of(self, service: Service) -> int:
        """Return the main process of a daemon by its PID file, or 0.

        Without a file it is the one whose parent is none of the others, as systemd guesses.
        """
        members = self.members(service)
        if not service.unit.pid_file:
            roots = [pid for pid in members if processes.parent(pid) not in members]
            return roots[0] if len(roots) == 1 else 0
        text = rootfs.read(rootfs.inside(self.root, service.unit.pid_file)).strip()
        everyone = self.enclosure.members() if text.isdigit() else []
        return next((pid for pid in everyone if processes.inner(pid) == int(text)), 0)

    def main_process(self, service: Service, members: list[int]) -> int:
        """Return the main process among those of a service, or 0.

        The process that the cloud started enters the namespaces; its child is the main one.
        """
        if service.main or service.pid in members:
            return service.main or service.pid
        return next((pid for pid in members if processes.parent(pid) == service.pid), 0)

    def main_pid(self, service: Service) -> str:
        """Return the main process as the instance knows it, for $MAINPID; empty if it has none."""
        main = self.main_process(service, self.members(service))
        return str(processes.inner(main)) if main else ""


def descendants(found: set[int], everyone: list[int]) -> set[int]:
    """Return the children of processes, and theirs."""
    parents = {pid: processes.parent(pid) for pid in everyone}
    more: set[int] = set()
    while new := {pid for pid, up in parents.items() if up in found | more} - found - more:
        more |= new
    return more


def login(user: Identity | None) -> dict[str, str]:
    """Return the variables that a service gets with User= (systemd.exec(5))."""
    if user is None:
        return {}
    return {"USER": user.name, "LOGNAME": user.name, "HOME": user.home, "SHELL": "/bin/sh"}
