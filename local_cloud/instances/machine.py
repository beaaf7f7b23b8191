"""The life of instances: launch, boot, stop, start, snapshot, terminate.

Everything here runs on the cloud's event loop. The API's threads only post what
is to happen; a machine does what it was told in order, one thing at a time, so a
snapshot asked for after a stop is of the stopped directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from local_cloud.instances import isolation, misbehavior, processes, reaper, rootfs
from local_cloud.instances import user_data as userdata
from local_cloud.instances.console import Console
from local_cloud.instances.services import Services

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.behaviors import Behaviour
    from local_cloud.clock import Clock
    from local_cloud.instances.images import Images

log = logging.getLogger(__name__)
Order = Callable[[], Awaitable[None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Birth:
    """What RunInstances decided about an instance."""

    id: str
    image: str
    address: str
    user_data: bytes
    settle: Callable[[str], None]  # tells the API the state that was reached
    shut_down: Callable[[], None]  # tells the API that the instance shuts itself down
    behaviour: Behaviour | None = None  # what it was ordered to do wrong
    booted: Callable[[], None] = lambda: None  # tells the API that it has


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ground:
    """What all machines of a cloud stand on."""

    folder: Path
    marker: str
    isolation: str
    metadata_port: int
    clock: Clock
    images: Images
    attach: Callable[[str], Awaitable[None]]  # begin to answer metadata on an address
    detach: Callable[[str], Awaitable[None]]


class Machine:
    """One instance: its directory, its processes, its console."""

    def __init__(self, birth: Birth, ground: Ground) -> None:
        self.birth = birth
        self.id = birth.id
        self.folder = ground.folder / birth.id
        self.root = self.folder / "root"
        self.root.mkdir(parents=True)
        self.booted = asyncio.Event()
        self.console = Console(path=self.folder / "console.log")
        self.enclosure = isolation.enclose(
            ground.isolation, root=self.root, marker=ground.marker, instance=birth.id
        )
        self.environment = {
            "LANG": "C.UTF-8",
            **self.enclosure.environment(),
            "INSTANCE_ID": birth.id,
            "INSTANCE_ADDRESS": birth.address,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{birth.address}:{ground.metadata_port}",
        }
        self.services: Services | None = None
        self.last_words = b""
        self.behaviour = birth.behaviour
        self.is_hollow = birth.behaviour is not None and birth.behaviour.kind == "hollow"
        self._ground = ground
        self._clock = ground.clock
        self._boots = 0
        self._life: asyncio.Task[None] | None = None
        self._wrong: asyncio.Task[None] | None = None
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._worker = asyncio.create_task(self._work())

    def post(self, order: Order) -> None:
        """Do this when what was asked before is done."""
        self._orders.put_nowait(order)

    async def _work(self) -> None:
        while True:
            order = await self._orders.get()
            try:
                await order()
            except Exception:  # one failed order must not end the machine's life
                log.exception("%s: an order failed", self.id)
            finally:
                self._orders.task_done()

    async def launch(self) -> None:
        """Fill the directory from the image, then run."""
        if not self.is_hollow and not await self._ground.images.unpack(self.birth.image, self.root):
            self.console.say("local cloud", f"{self.birth.image}: its files could not be copied")
        await self.run()

    async def run(self) -> None:
        """Reach `running` and begin to boot."""
        await self._clock.sleep(self._clock.delays.pending)
        await self._settle("running")
        self._life = asyncio.create_task(self._live())

    async def _settle(self, state: str) -> None:
        # The API's lock may be held for a second; traffic on this loop must not wait for it.
        await asyncio.to_thread(self.birth.settle, state)

    async def _live(self) -> None:
        try:
            await self._clock.sleep(self._clock.delays.boot + self._lateness())
            if self.is_hollow:
                await self._boot_hollow()
                return
            await self._boot()
            self.booted.set()
            self._go_wrong()
            await self._go_on()
        except OSError as error:
            self.console.say("local cloud", f"the boot failed: {error}")
            log.warning("%s: the boot failed: %s", self.id, error)

    def _lateness(self) -> float:
        late = self.behaviour is not None and self.behaviour.kind == "boots-slowly"
        return self.behaviour.seconds if self.behaviour and late else 0.0

    async def behave(self, behaviour: Behaviour | None) -> None:
        """Do this from now on; without an order, as the image would have it."""
        await self._stop_going_wrong()
        healed = self.behaviour and not behaviour
        self.behaviour = behaviour
        if self.services and self.booted.is_set():
            if healed:
                await self.services.start_all()
            self._go_wrong()

    def _go_wrong(self) -> None:
        if self.behaviour and self.services:
            shut_down = functools.partial(asyncio.to_thread, self.birth.shut_down)
            self._wrong = asyncio.create_task(
                misbehavior.follow(self.behaviour, self.services, self._clock, shut_down)
            )

    async def _stop_going_wrong(self) -> None:
        if self._wrong:
            self._wrong.cancel()
            await asyncio.gather(self._wrong, return_exceptions=True)
            self._wrong = None

    async def _boot_hollow(self) -> None:
        self.console.say("local cloud", f"{self.id} was ordered to be hollow: it has no processes")
        self.booted.set()
        await asyncio.to_thread(self.birth.booted)

    async def _boot(self) -> None:
        self._boots += 1
        self.console.say("local cloud", f"{self.id} booted from {self.birth.image}")
        shims = await asyncio.to_thread(rootfs.fresh_run, self.root)
        await self._ground.attach(self.birth.address)
        await self.enclosure.open()
        self.services = Services(
            root=self.root,
            enclosure=self.enclosure,
            console=self.console,
            clock=self._clock,
            environment=self.environment,
        )
        self.services.open(shims)

    async def _go_on(self) -> None:
        """Run user data, at the first boot only as cloud-init does, then the services."""
        first = asyncio.create_task(self._user_data() if self._boots == 1 else asyncio.sleep(0))
        try:
            longest = max(self._clock.scaled(self._clock.delays.user_data), 1.0)
            await asyncio.wait({first}, timeout=longest)
            if self.services:
                await self.services.start_enabled()
            await first
        finally:
            first.cancel()

    async def _user_data(self) -> None:
        scripts, remarks = userdata.parts(self.birth.user_data)
        for remark in remarks:
            self.console.say("cloud-init", remark)
        for number, script in enumerate(scripts, 1):
            name = f"/run/cloud-init/part-{number:03d}"
            path = self.root / name.lstrip("/")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(script)
            path.chmod(0o700)
            process = await self.start(self.enclosure.argv([name], "/"))
            if process.stdout:
                await self.console.pump("cloud-init", process.stdout)
            self.console.say("cloud-init", f"part-{number:03d} exited, {await process.wait()}")

    async def start(self, argv: list[str]) -> asyncio.subprocess.Process:
        """Start a process of the instance whose output is to be read."""
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self.environment,
            start_new_session=True,
        )

    async def halt(self) -> None:
        """End what runs: SIGTERM, then SIGKILL; the directory stays."""
        self.booted.clear()
        await self._stop_going_wrong()
        if self._life:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
            self._life = None
        if self.services:
            self.services.quiesce()
        await self._terminate_members()
        await self.enclosure.close()
        if self.services:
            await self.services.close()
            self.services = None
        await self._ground.detach(self.birth.address)

    async def _terminate_members(self) -> None:
        members = self.enclosure.members()
        processes.send(members, signal.SIGTERM)
        grace = max(self._clock.scaled(self._clock.delays.stop_grace), 0.5)
        deadline = time.monotonic() + grace
        while members and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            left = [pid for pid in members if not processes.is_zombie(pid)]
            members = left or self.enclosure.members()  # who looks at every process looks twice

    async def stop(self) -> None:
        """Halt and reach `stopped`."""
        await self.halt()
        await self._clock.sleep(self._clock.delays.stopping)
        await self._settle("stopped")

    async def reboot(self) -> None:
        """Halt and boot again; the state stays `running`."""
        await self.halt()
        self._life = asyncio.create_task(self._live())

    async def terminate(self) -> None:
        """Halt, remove the directory and reach `terminated`."""
        await self.halt()
        self.last_words = self.console.read()
        await asyncio.to_thread(reaper.remove_tree, self.folder)
        await self._clock.sleep(self._clock.delays.shutting_down)
        await self._settle("terminated")

    def output(self) -> bytes:
        """Return the end of what the instance printed, also after it is gone."""
        return self.last_words or self.console.read()

    async def close(self) -> None:
        """Halt with the cloud, whatever was still to do."""
        self._worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._worker
        await self.halt()
