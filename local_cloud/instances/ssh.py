"""Serve SSH on the address of each instance, with the key pair that it was launched with.

Port 22 of the address, as on EC2, if this process may listen there. Every user name is accepted
and gets a home; its processes are root's, as those of the whole instance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import asyncssh

from local_cloud.instances import network, processes, rootfs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_cloud.instances.isolation import Enclosure

log = logging.getLogger(__name__)

CHUNK = 65536
BOOT_WITHIN = 45.0
DRAIN_WITHIN = 0.5


class Machine(Protocol):
    """An instance as SSH uses it."""

    id: str
    address: str
    root: Path
    booted: asyncio.Event
    enclosure: Enclosure
    environment: dict[str, str]

    def explained(self, output: bytes) -> str:
        """Return what explains the output of a program, or an empty text."""


class SshServer:
    """The server; it answers on the address of every machine that is open."""

    def __init__(self, port: int, hint: str, has_key: Callable[[str, str], bool]) -> None:
        self.port = port
        self.hint = hint  # why the port is not 22
        self._has_key = has_key
        self._machines: dict[str, Machine] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._listeners: dict[str, asyncssh.SSHAcceptor] = {}
        self._connections: dict[str, set[asyncssh.SSHServerConnection]] = {}
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: KeyLogin(self),
            process_factory=handle,
            sftp_factory=Files,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            encoding=None,
            agent_forwarding=False,
            line_editor=False,
            # `scp -t DIR` runs as an ordinary command of the instance, which keeps file modes;
            # asyncssh's own scp would drop them.
            allow_scp=False,
        )

    def listen(self, address: str) -> None:
        """Let clients connect from now on; they are answered once the machine is open.

        May be called from any thread. Raise OSError if the port cannot be listened on.
        """
        if address not in self._sockets:
            listening = network.bound(self.port, address)
            listening.listen(network.BACKLOG)
            self._sockets[address] = listening

    async def open(self, machine: Machine) -> None:
        """Answer on the address of a machine; a client that comes before its boot waits."""
        address = machine.address
        if address not in self._listeners:
            self.listen(address)
            self._machines[address] = machine
            self._listeners[address] = await asyncssh.listen(
                sock=self._sockets[address], options=self._options
            )

    async def close(self, machine: Machine) -> None:
        """Refuse connections to a machine, and end those that it has."""
        address = machine.address
        self._machines.pop(address, None)
        listener = self._listeners.pop(address, None)
        if listener:
            listener.close()
        if listening := self._sockets.pop(address, None):
            listening.close()
        for connection in self._connections.pop(address, set()):
            connection.abort()
        if listener:
            await listener.wait_closed()

    def connected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Remember a connection, to end it with its machine."""
        address = connection.get_extra_info("sockname")[0]
        self._connections.setdefault(address, set()).add(connection)

    def disconnected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection."""
        for known in self._connections.values():
            known.discard(connection)

    async def login(
        self, connection: asyncssh.SSHServerConnection, username: str, public: str
    ) -> Login | None:
        """Return the login of a user on the machine at this address, once it has booted."""
        machine = self._machines.get(connection.get_extra_info("sockname")[0])
        if machine is None or not rootfs.is_user_name(username):
            return None
        if not await asyncio.to_thread(self._has_key, machine.id, public):
            return None
        try:
            await asyncio.wait_for(machine.booted.wait(), BOOT_WITHIN)
        except TimeoutError:
            return None
        home = await asyncio.to_thread(rootfs.home_of, machine.root, username)
        return Login(machine=machine, username=username, home=home)


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A user who is logged in to a machine; `home` is a path of the instance."""

    machine: Machine
    username: str
    home: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user's processes."""
        user = {"USER": self.username, "LOGNAME": self.username}
        home = self.machine.enclosure.path(self.home)
        return {**self.machine.environment, **user, "HOME": home}


class KeyLogin(asyncssh.SSHServer):
    """Accepts clients that hold the key of the instance at the address they connect to."""

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection, to store its login on it."""
        self._connection = conn
        self._server.connected(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """Forget the connection."""
        if self._connection:
            self._server.disconnected(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Return True: every client needs a key."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Return True: keys are the only way to log in."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Return True if the key is that of the instance, once it has booted."""
        if self._connection is None:
            return False
        public = b" ".join(key.export_public_key().split()[:2]).decode()
        login = await self._server.login(self._connection, username, public)
        if login:
            self._connection.set_extra_info(login=login)
        return login is not None


class Files(asyncssh.SFTPServer):
    """Serves the files of the instance; a relative path begins at the user's home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        self._login: Login = channel.get_connection().get_extra_info("login")
        super().__init__(channel, chroot=str(self._login.machine.root).encode())

    def map_path(self, path: bytes) -> bytes:
        """Return the path on the host."""
        return super().map_path(os.path.join(self._login.home.encode(), path))  # noqa: PTH118  bytes

    def exit(self) -> None:
        """Report success at the end, as sshd does; `scp` would exit with 255."""
        self.channel.exit(0)


async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run a command in the instance; it ends with the connection."""
    login: Login = process.get_extra_info("login")
    machine = login.machine
    command = (process.command or "exec /bin/sh -i").strip()
    started = await asyncio.create_subprocess_exec(
        *machine.enclosure.shell(command, login.home),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=login.environment,
        start_new_session=True,
    )
    feeding = asyncio.create_task(feed(process, started))
    work = asyncio.create_task(answer(process, started))
    disconnected = asyncio.create_task(process.channel.wait_closed())
    try:
        async with processes.attended(started):
            await asyncio.wait({work, disconnected}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        feeding.cancel()
        disconnected.cancel()
    if not work.done() or work.exception():
        work.cancel()
        log.info("%s: the client disconnected: %.100s", machine.id, command)
        return
    code = work.result()
    process.exit(code if code >= 0 else 128 - code)


async def feed(process: asyncssh.SSHServerProcess[bytes], started: Any) -> None:
    """Pass the client's input to the command."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await pump(process.stdin, started.stdin, Transferred())
    started.stdin.close()


async def answer(process: asyncssh.SSHServerProcess[bytes], started: Any) -> int:
    """Pass the command's output to the client; return its exit status.

    A background process of the command may keep the output open for ever. sshd would wait for
    it; here the session ends with the command.
    """
    transferred = Transferred()
    machine = process.get_extra_info("login").machine

    def seen(output: bytes) -> None:
        if text := machine.explained(output):
            process.stderr.write(f"local cloud: {text}\n".encode())

    pumps = {
        asyncio.create_task(pump(started.stdout, process.stdout, transferred, seen)),
        asyncio.create_task(pump(started.stderr, process.stderr, transferred, seen)),
    }
    code = await processes.exited(started)
    before = -1
    while pumps and transferred.bytes != before:
        before = transferred.bytes
        _, pumps = await asyncio.wait(pumps, timeout=DRAIN_WITHIN)
    for task in pumps:
        task.cancel()
    return code


@dataclass(kw_only=True, slots=True)
class Transferred:
    """The number of bytes copied."""

    bytes: int = 0


async def pump(
    source: Any,
    target: Any,
    transferred: Transferred,
    seen: Callable[[bytes], None] = lambda _: None,
) -> None:
    """Copy a stream to its end; `seen` is called with each part that was copied."""
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
        transferred.bytes += len(data)
        seen(data)
