"""Run instances: launch, boot, stop, start, snapshot, terminate.

Everything here runs on the cloud's event loop. The API's threads only post steps. A machine
takes its steps in order, one at a time: a snapshot after a stop is of the stopped directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_cloud.instances import (
    isolation,
    misbehavior,
    processes,
    reaper,
    rootfs,
    user_data,
)
from local_cloud.instances.console import Console
from local_cloud.instances.hint import Hint
from local_cloud.instances.overlay import Disk
from local_cloud.instances.own_address import OwnAddress
from local_cloud.instances.systemd import systemctl
from local_cloud.instances.systemd.journal import Journal
from local_cloud.instances.systemd.services import Services

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.behaviors import Behavior
    from local_cloud.clock import Clock
    from local_cloud.instances.images import Images
    from local_cloud.instances.instance_proxy import InstanceProxy
    from local_cloud.instances.ssh import SshServer

log = logging.getLogger(__name__)
Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceSpec:
    """An instance as RunInstances decided it, and whom it reports to."""

    id: str
    image: str
    address: str
    user_data: bytes
    settle: Callable[[str], None]  # reports the state that was reached to the API
    shut_down: Callable[[], None]  # reports that the instance shuts itself down
    behavior: Behavior | None = None  # how it misbehaves
    booted: Callable[[], None] = lambda: None  # reports the boot of a hollow instance

    @property
    def is_hollow(self) -> bool:
        """True if it has no processes, by its behavior."""
        return self.behavior is not None and self.behavior.kind == "hollow"


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceHost:
    """What the machines of a cloud share: the folder, the isolation, the clock, the images."""

    folder: Path
    marker: str
    isolation: str
    metadata_port: int
    clock: Clock
    images: Images
    ssh: SshServer
    proxy: InstanceProxy
    tree: Path | None  # below the root file systems of all instances
    attach: Callable[[str], Awaitable[None]]  # start answering metadata on an address
    detach: Callable[[str], Awaitable[None]]


class Machine:
    """One instance: its directory, its processes, its console."""

    def __init__(self, spec: InstanceSpec, host: InstanceHost) -> None:
        self.spec = spec
        self.id = spec.id
        self.address = spec.address
        self.folder = host.folder / spec.id
        self.disk = Disk(folder=self.folder, tree=host.tree)
        self.disk.make()
        self.root = self.disk.root
        self.booted = asyncio.Event()
        self.journal = Journal(host=f"ip-{spec.address.replace('.', '-')}")
        self.console = Console(path=self.folder / "console.log", journal=self.journal)
        self.enclosure = isolation.enclose(
            host.isolation,
            root=self.root,
            marker=host.marker,
            instance=spec.id,
            has_programs=host.tree is not None,
        )
        self.own_address = OwnAddress(address=spec.address)
        self.environment = {
            "LANG": "C.UTF-8",
            **host.proxy.variables(self.enclosure),
            **self.enclosure.environment(),
            "INSTANCE_ID": spec.id,
            "INSTANCE_ADDRESS": spec.address,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{spec.address}:{host.metadata_port}",
        }
        self.services: Services | None = None
        self.final_output = b""
        self._hint = Hint(is_due=host.tree is None)
        self.behavior = spec.behavior
        self.is_hollow = spec.is_hollow
        self._host = host
        self._clock = host.clock
        self._boots = 0
        self._boot_task: asyncio.Task[None] | None = None
        self._misbehavior: asyncio.Task[None] | None = None
        self._steps: asyncio.Queue[Step] = asyncio.Queue()
        self._worker = asyncio.create_task(self._work())

    def post(self, step: Step) -> None:
        """Run a step after those posted before it."""
        self._steps.put_nowait(step)

    async def _work(self) -> None:
        while True:
            step = await self._steps.get()
            try:
                await step()
            except Exception:  # the machine must survive a failed step
                log.exception("%s: a step failed", self.id)
            finally:
                self._steps.task_done()

    async def launch(self) -> None:
        """Fill the directory from the image, then run."""
        if not self.is_hollow:
            await self._fill_disk()
        await self.run()

    async def _fill_disk(self) -> None:
        image, images = self.spec.image, self._host.images
        if not await images.unpack(image, self.disk.written):
            self.console.say("local cloud", f"{image}: its files could not be copied")
        if image in images.without_files:
            self.console.say("local cloud", f"{image} is of a data volume: it has no files here")
        await asyncio.to_thread(self.disk.mount)
        await asyncio.to_thread(rootfs.build, self.root, has_programs=self._host.tree is not None)

    async def run(self) -> None:
        """Reach `running` and begin to boot."""
        await self._clock.sleep(self._clock.delays.pending)
        await self._open_ssh()
        await self._settle("running")
        self._boot_task = asyncio.create_task(self._boot_and_run())

    async def _open_ssh(self) -> None:
        """Answer to clients from `running` on: they would wait for seconds to try again."""
        if not self.is_hollow:
            try:
                await self._host.ssh.open(self)
            except OSError as error:
                self.console.say("local cloud", f"no SSH: {error}")

    async def _settle(self, state: str) -> None:
        # The API's lock may be held for a second, and traffic on this loop must not wait for it.
        await asyncio.to_thread(self.spec.settle, state)

    async def _boot_and_run(self) -> None:
        try:
            await self._clock.sleep(self._clock.delays.boot + self._boot_delay())
            if self.is_hollow:
                await self._boot_hollow()
                return
            await self._boot()
            self.booted.set()
            self._start_misbehavior()
            await self._run_user_data_and_services()
        except OSError as error:
            self.console.say("local cloud", f"the boot failed: {error}")
            log.warning("%s: the boot failed: %s", self.id, error)

    def _boot_delay(self) -> float:
        late = self.behavior is not None and self.behavior.kind == "boots-slowly"
        return self.behavior.seconds if self.behavior and late else 0.0

    async def behave(self, behavior: Behavior | None) -> None:
        """Take this behavior from now on; None: behave as the image does."""
        await self._stop_misbehavior()
        recovered = self.behavior and not behavior
        self.behavior = behavior
        if self.services and self.booted.is_set():
            if recovered:
                await self.services.start_all()
            self._start_misbehavior()

    def _start_misbehavior(self) -> None:
        if self.behavior and self.services:
            shut_down = functools.partial(asyncio.to_thread, self.spec.shut_down)
            self._misbehavior = asyncio.create_task(
                misbehavior.run(self.behavior, self.services, self._clock, shut_down)
            )

    async def _stop_misbehavior(self) -> None:
        if self._misbehavior:
            self._misbehavior.cancel()
            await asyncio.gather(self._misbehavior, return_exceptions=True)
            self._misbehavior = None

    async def _boot_hollow(self) -> None:
        self.console.say("local cloud", f"{self.id} is hollow by its behavior: it has no processes")
        self.booted.set()
        await asyncio.to_thread(self.spec.booted)

    async def _boot(self) -> None:
        self._boots += 1
        self.console.say("local cloud", f"{self.id} booted from {self.spec.image}")
        shims = await asyncio.to_thread(
            rootfs.reset_run, self.root, has_programs=self._host.tree is not None
        )
        await self._host.attach(self.spec.address)
        await asyncio.to_thread(self._host.proxy.place, self.root)
        await self.enclosure.open()
        if self._host.tree:
            self.own_address.open()
        self.services = Services(
            root=self.root,
            enclosure=self.enclosure,
            console=self.console,
            clock=self._clock,
            environment=self.environment,
            systemctl=systemctl.run,
            journal=self.journal,
            prefix=self.own_address.words,
            seen=self.explained,
        )
        self.services.open(shims)

    async def _run_user_data_and_services(self) -> None:
        """Run user data (at the first boot only, as cloud-init does), then the services."""
        first = asyncio.create_task(self._user_data() if self._boots == 1 else asyncio.sleep(0))
        try:
            longest = max(self._clock.scaled(self._clock.delays.user_data), 1.0)
            await asyncio.wait({first}, timeout=longest)
            if self.services:
                await self.services.start_enabled()
            await first
            await asyncio.to_thread(self._mark_boot_finished)
        finally:
            first.cancel()

    def _mark_boot_finished(self) -> None:
        path = rootfs.finished(self.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.id}\n")

    async def _user_data(self) -> None:
        scripts, warnings = user_data.parts(self.spec.user_data)
        for warning in warnings:
            self.console.say("cloud-init", warning)
        for number, script in enumerate(scripts, 1):
            name = f"/run/cloud-init/part-{number:03d}"
            path = self.root / name.lstrip("/")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(script)
            path.chmod(0o700)
            process = await self.start([*self.own_address.words, *self.enclosure.argv([name], "/")])
            async with processes.attended(process):
                if process.stdout:
                    await self.console.pump("cloud-init", process.stdout, self.explained)
                code = await process.wait()
            self.console.say("cloud-init", f"part-{number:03d} exited, {code}")

    def explained(self, output: bytes) -> str:
        """Return what explains the output of a program, or an empty text; also on the console."""
        text = self._hint.after(output)
        if text:
            self.console.say("local cloud", text)
        return text

    async def start(self, argv: list[str]) -> asyncio.subprocess.Process:
        """Start a process of the instance and return it with its output to read."""
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self.environment,
            start_new_session=True,
        )

    async def halt(self) -> None:
        """End all processes: SIGTERM, then SIGKILL; the directory stays."""
        self.booted.clear()
        await self._host.ssh.close(self)
        await self._stop_misbehavior()
        if self._boot_task:
            self._boot_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._boot_task
            self._boot_task = None
        if self.services:
            self.services.quiesce()
        await self._terminate_members()
        await self.enclosure.close()
        if self.services:
            await self.services.close()
            self.services = None
        self.own_address.close()
        await self._host.detach(self.spec.address)

    async def _terminate_members(self) -> None:
        members = self.enclosure.members()
        processes.send(members, signal.SIGTERM)
        grace = max(self._clock.scaled(self._clock.delays.stop_grace), 0.5)
        deadline = time.monotonic() + grace
        while members and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            left = [pid for pid in members if not processes.is_zombie(pid)]
            members = (
                left or self.enclosure.members()
            )  # a scan of all processes may miss one, so scan again

    @property
    def has_agent(self) -> bool:
        """True if SSM Agent has started once; a hollow instance has none."""
        return self._boots > 0

    async def stop(self) -> None:
        """Halt and reach `stopped`."""
        await self.halt()
        await self._clock.sleep(self._clock.delays.stopping)
        await self._settle("stopped")

    async def reboot(self) -> None:
        """Halt and boot again; the state stays `running`."""
        await self.halt()
        await self._open_ssh()
        self._boot_task = asyncio.create_task(self._boot_and_run())

    async def terminate(self) -> None:
        """Halt, remove the directory and reach `terminated`."""
        await self.halt()
        self.final_output = self.console.read()
        await asyncio.to_thread(self.disk.unmount)
        await asyncio.to_thread(reaper.remove_tree, self.folder)
        await self._clock.sleep(self._clock.delays.shutting_down)
        await self._settle("terminated")

    def output(self, *, latest: bool) -> bytes:
        """Return the end of the console output, also after the termination.

        Without `latest`, EC2 shows what was printed some minutes ago.
        """
        if self.final_output:
            return self.final_output
        lag = 0.0 if latest else self._clock.scaled(self._clock.delays.console)
        return self.console.read(lag)

    async def close(self) -> None:
        """Halt with the cloud and drop the steps that are left."""
        self._worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._worker
        await self.halt()
