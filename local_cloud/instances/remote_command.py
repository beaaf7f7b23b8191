"""Run a command of Systems Manager in an instance, as SSM Agent does.

Systems Manager User Guide, "Understanding command statuses" and "Understanding command timeout
values". The agent runs the lines as one script, as root, without a login: HOME is not set. It adds
a line to the errors of a script that fails, and reports 137 for one that it killed
(amazon-ssm-agent, `appconfig.CommandStoppedPreemptivelyExitCode`).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from local_cloud.instances import processes, rootfs

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.clock import Clock
    from local_cloud.instances.machine import Machine

Status: TypeAlias = Literal[
    "Pending", "InProgress", "Delayed", "Success", "Cancelled", "TimedOut", "Failed", "Cancelling"
]
UNDER_WAY = {"Pending", "InProgress", "Delayed", "Cancelling"}
DELIVERY = 1.0  # seconds until the agent of a node that is online has a command
PATIENCE = 10.0  # minimum real seconds for a program, unless its own limit is shorter
STOPPED = 137
WITHOUT = {"HOME", "USER"}
OUTPUT, ERRORS = 24000, 8000  # characters (GetCommandInvocation)
FOLDER = "/var/lib/amazon/ssm/orchestration"
CHUNK = 1 << 16
DRAIN_WITHIN = 0.5  # real seconds for the output of a script that has ended


def now() -> dt.datetime:
    """Return the wall clock's time."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What is known of an invocation; `details` is StatusDetails of GetCommandInvocation."""

    status: Status = "Pending"
    details: str = "Pending"
    code: int = -1
    output: str = ""
    errors: str = ""
    began: dt.datetime | None = None
    ended: dt.datetime | None = None


@dataclass(kw_only=True, eq=False)
class RemoteCommand:
    """One invocation; the event loop changes its progress, and any thread reads it."""

    id: str
    script: str
    directory: str = ""
    execution: float = 3600.0  # seconds that the script may take
    delivery: float = 3600.0  # seconds in which it must begin
    progress: Progress = field(default_factory=Progress)
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def cancel(self) -> None:
        """End it; call it on the event loop."""
        if self.progress.status in UNDER_WAY:
            self._report("Cancelling", "Cancelling")
            self._cancelled.set()

    async def run(self, machine: Machine, clock: Clock) -> None:
        """Deliver the command, run it and report its end."""
        lifetime = asyncio.timeout(at_least(clock, self.delivery + self.execution))
        work = asyncio.create_task(self._work(machine, clock))
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            async with lifetime:
                await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._end("Cancelled", "Cancelled", self._code_of_stopped())
        except TimeoutError:
            self._end("TimedOut", "Delivery Timed Out", -1)
        finally:
            cancelled.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    def _code_of_stopped(self) -> int:
        return STOPPED if self.progress.began else -1

    async def _work(self, machine: Machine, clock: Clock) -> None:
        await clock.sleep(DELIVERY)
        if not machine.booted.is_set():
            self._report("Delayed", "Delayed")
            await machine.booted.wait()
        self.progress = Progress(status="InProgress", details="In Progress", began=now())
        try:
            await self._execute(machine, at_least(clock, self.execution))
        except OSError as error:
            self._end("Failed", "Failed", 1, errors=failed(str(error)))

    async def _execute(self, machine: Machine, seconds: float) -> None:
        words = await asyncio.to_thread(self._prepare, machine.root)
        started = await asyncio.create_subprocess_exec(
            *machine.enclosure.argv(words, "/"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment_of(machine),
            start_new_session=True,
        )
        output = Captured(limit=OUTPUT, suffix="---Output truncated---")
        errors = Captured(limit=ERRORS, suffix="---Error truncated----")
        reading = {
            asyncio.create_task(output.read(started.stdout)),
            asyncio.create_task(errors.read(started.stderr)),
        }
        try:
            async with processes.attended(started):
                code = await asyncio.wait_for(processes.exited(started), seconds)
            await asyncio.wait(reading, timeout=DRAIN_WITHIN)
        except TimeoutError:
            self._end("TimedOut", "Execution Timed Out", STOPPED, output.text, errors.text)
        else:
            if not machine.booted.is_set():  # the agent has ended with the instance
                await asyncio.Event().wait()
            self._finish(code if code >= 0 else 128 - code, output.text, errors.text)
        finally:
            for task in reading:
                task.cancel()

    def _finish(self, code: int, output: str, errors: str) -> None:
        if code:
            lines = filter(None, (errors.rstrip("\n"), failed(f"exit status {code}")))
            self._end("Failed", "Failed", code, output, "\n".join(lines))
        else:
            self._end("Success", "Success", 0, output, errors)

    def _prepare(self, root: Path) -> list[str]:
        """Write the script into the instance; return the words that run it."""
        name = f"{FOLDER}/{self.id}/_script.sh"
        path = rootfs.inside(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.script)
        path.chmod(0o700)
        start = 'cd "$1" || exit 1; exec "$0"'
        return ["/bin/sh", "-c", start, name, self.directory or "/usr/bin"]

    def _report(self, status: Status, details: str) -> None:
        self.progress = replace(self.progress, status=status, details=details)

    def _end(
        self, status: Status, details: str, code: int, output: str = "", errors: str = ""
    ) -> None:
        self.progress = replace(
            self.progress,
            status=status,
            details=details,
            code=code,
            output=output,
            errors=errors,
            ended=now() if self.progress.began else None,
        )


# amazon-ssm-agent, agent/executers/executers.go, `envVarInstanceID`.
def environment_of(machine: Machine) -> dict[str, str]:
    """Return the variables of a script, which the agent tells the id of its instance."""
    kept = {k: v for k, v in machine.environment.items() if k not in WITHOUT}
    return {**kept, "AWS_SSM_INSTANCE_ID": machine.id}


def at_least(clock: Clock, seconds: float) -> float:
    """Return the real seconds for a limit of AWS; a program is not faster than on AWS."""
    return max(clock.scaled(seconds), min(seconds, PATIENCE))


def failed(why: str) -> str:
    """Return what the agent adds to the errors of a script."""
    return f"failed to run commands: {why}"


@dataclass(kw_only=True)
class Captured:
    """The beginning of a stream, which is read to its end."""

    limit: int  # characters
    suffix: str  # says that the rest is missing
    _found: bytes = b""

    async def read(self, stream: asyncio.StreamReader | None) -> None:
        """Read a stream to its end."""
        while stream and (chunk := await stream.read(CHUNK)):
            if len(self._found) <= 4 * self.limit:
                self._found += chunk

    @property
    def text(self) -> str:
        """What has been read, or its beginning with the suffix."""
        text = self._found.decode(errors="replace")
        whole = len(text) <= self.limit
        return text if whole else text[: self.limit - len(self.suffix)] + self.suffix
