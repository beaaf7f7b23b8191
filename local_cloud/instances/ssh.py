"""Serve SSH for all instances on one port; the key decides which instance a client reaches.

EC2 puts the public half of a key pair on the instance that is launched with it, and Packer makes
a key pair for each build. If several instances have the same key, the user name selects one:
`ssh -p PORT i-0123456789abcdef0@127.0.0.1`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from local_cloud.instances import processes

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from local_cloud.instances.machine import Machine

log = logging.getLogger(__name__)

CHUNK = 65536
BOOT_WITHIN = 45.0
DRAIN_WITHIN = 0.5


class KeyLogin(asyncssh.SSHServer):
    """Accepts clients that hold the key of a running instance."""

    def __init__(self, find: Callable[[str, str], Machine | None]) -> None:
        self._find = find
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection, to store its machine on it."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Return True: every client needs a key."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Return True: keys are the only way to log in."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Find the instance of this key and wait until it has booted."""
        public = b" ".join(key.export_public_key().split()[:2]).decode()
        machine = await asyncio.to_thread(self._find, username, public)
        if machine is None or self._connection is None:
            return False
        try:
            await asyncio.wait_for(machine.booted.wait(), BOOT_WITHIN)
        except TimeoutError:
            return False
        self._connection.set_extra_info(machine=machine)
        return True


async def serve(
    listener: socket.socket, find: Callable[[str, str], Machine | None]
) -> asyncssh.SSHAcceptor:
    """Serve SSH on a listening socket."""
    return await asyncssh.listen(
        sock=listener,
        server_factory=lambda: KeyLogin(find),
        process_factory=handle,
        sftp_factory=sftp,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        encoding=None,
        agent_forwarding=False,
        line_editor=False,
        # `scp -t DIR` runs as an ordinary command of the instance, which keeps file modes;
        # asyncssh's own scp would drop them.
        allow_scp=False,
    )


def sftp(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
    """Serve the files of the instance."""
    machine: Machine = channel.get_connection().get_extra_info("machine")
    return asyncssh.SFTPServer(channel, chroot=str(machine.root).encode())


async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run a command in the instance; it ends with the connection."""
    machine: Machine = process.get_extra_info("machine")
    command = (process.command or "exec /bin/sh -i").strip()
    started = await asyncio.create_subprocess_exec(
        *machine.enclosure.shell(command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=machine.environment,
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
    pumps = {
        asyncio.create_task(pump(started.stdout, process.stdout, transferred)),
        asyncio.create_task(pump(started.stderr, process.stderr, transferred)),
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


async def pump(source: Any, target: Any, transferred: Transferred) -> None:
    """Copy a stream to its end."""
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
        transferred.bytes += len(data)
