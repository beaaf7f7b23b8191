"""Confine the processes of an instance to its directory.

The strongest isolation is a mount and a PID namespace per instance. A small init holds them and
every command enters them. The host's programs are bound read-only, and the instance's processes
see only each other. The init reads a pipe from the cloud, so it ends with the cloud, and the
kernel then ends all processes of the instance.

Where the machine forbids namespaces there is "plain": processes with the directory as their
working directory, identified by their environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local_cloud.instances import processes, rootfs
from local_cloud.state_dir import MARKER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATH = "/run/shim:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Capabilities with which a provisioner as root could harm the host, whose kernel it shares.
WITHHELD = "-net_admin,-sys_module,-sys_rawio,-sys_time,-sys_boot,-mknod"

INIT = """\
set -e; root=$1; exec 3<&0; trap '' TERM INT HUP
for d in usr bin sbin lib lib32 lib64 libx32; do
  if [ -L /$d ]; then [ -L "$root/$d" ] || ln -s "$(readlink /$d)" "$root/$d"
  elif [ -d /$d ]; then
    mkdir -p "$root/$d"; mount --rbind /$d "$root/$d"; mount -o remount,bind,ro "$root/$d" || :
  fi
done
mount --rbind /proc "$root/proc"
if mount --bind /proc/sys "$root/proc/sys"; then mount -o remount,bind,ro "$root/proc/sys" || :; fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for n in null zero full random urandom tty; do
  : >"$root/dev/$n"; mount --bind "/dev/$n" "$root/dev/$n"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"; ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
cat <&3 >/dev/null & echo ready; wait $!
"""
# `wait` in the init also reaps orphaned processes, as an init must.

ENTER = 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"'


class Enclosure(Protocol):
    """The place where an instance's processes run."""

    kind: str

    async def open(self) -> None:
        """Prepare it for commands."""

    def argv(self, words: Sequence[str], cwd: str) -> list[str]:
        """Return the command line that starts `words` in it."""

    def shell(self, command: str, home: str) -> list[str]:
        """Return the command line that runs a shell command in a user's home, as SSH does."""

    def path(self, name: str) -> str:
        """Return the path by which its processes find a file of the instance."""

    def environment(self) -> dict[str, str]:
        """Return the variables of every process in it."""

    def members(self) -> list[int]:
        """Return the processes that run in it."""

    async def close(self) -> None:
        """End every process in it at once."""


@dataclass(kw_only=True)
class Namespaces:
    """A mount and a PID namespace; also a user namespace without root privileges."""

    root: Path
    marker: str
    user: bool = False
    kind: str = "namespaces"
    _init: asyncio.subprocess.Process | None = None
    _own: frozenset[int] = frozenset()

    async def open(self) -> None:
        """Start the init and wait until the namespaces are ready."""
        flags = ["--map-root-user"] if self.user else []
        self._init = await asyncio.create_subprocess_exec(
            *["unshare", *flags, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
            *["sh", "-c", INIT, "sh", str(self.root)],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": HOST_PATH, MARKER: self.marker},
            start_new_session=True,
        )
        line = await self._init.stdout.readline() if self._init.stdout else b""
        if line != b"ready\n":
            await self.close()
            raise OSError(f"the namespaces of {self.root} could not be made")
        self._own = frozenset(self.members())

    def argv(self, words: Sequence[str], cwd: str) -> list[str]:
        """Enter the namespaces, drop dangerous capabilities, change the root."""
        namespaces = f"/proc/{self._pid}/ns"
        user = ["--preserve-credentials", f"--user={namespaces}/user"] if self.user else []
        # The init is unshare's child, and the namespace of its children is the instance's.
        enter = [f"--mount={namespaces}/mnt", f"--pid={namespaces}/pid_for_children"]
        drop = ["setpriv", f"--bounding-set={WITHHELD}"]
        chroot = ["chroot", str(self.root), "/bin/sh", "-c", ENTER, "sh", cwd]
        return ["nsenter", *user, *enter, *drop, *chroot, *words]

    def shell(self, command: str, home: str) -> list[str]:
        """Run a command line in a home, as sshd does."""
        return self.argv(["/bin/sh", "-c", command], home)

    def path(self, name: str) -> str:
        """Return the same path: the instance's root is the root of its processes."""
        return name

    def environment(self) -> dict[str, str]:
        """Return a root login's variables."""
        return {MARKER: self.marker, "PATH": PATH, "HOME": "/root", "USER": "root", "ROOT": ""}

    def members(self) -> list[int]:
        """Return the processes in the PID namespace, without its init."""
        if self._init is None:
            return []
        namespace = processes.link(self._pid, "ns/pid_for_children")
        return [
            pid
            for pid in processes.matching(lambda pid: processes.link(pid, "ns/pid") == namespace)
            if namespace and pid not in self._own
        ]

    async def close(self) -> None:
        """Kill unshare; its child, the init, dies with it, and the kernel ends the rest."""
        if self._init is None:
            return
        init, self._init, self._own = self._init, None, frozenset()
        with contextlib.suppress(ProcessLookupError):
            init.kill()
        await init.communicate()

    @property
    def _pid(self) -> int:
        return self._init.pid if self._init else 0


PACKER_FILES = re.compile(r"(?<![\w.])/tmp/(?:script|varfile)_")
"""The shell provisioner's script and, with use_env_var_file, its variables."""


@dataclass(kw_only=True)
class Plain:
    """No namespaces: only the environment and the working directory."""

    root: Path
    marker: str
    instance: str
    kind: str = "plain"

    async def open(self) -> None:
        """Do nothing: no preparation is needed."""

    def argv(self, words: Sequence[str], cwd: str) -> list[str]:
        """Start `words`, with paths that exist in the instance mapped to the host."""
        return ["sh", "-c", ENTER, "sh", self.mapped(cwd), *map(self.mapped, words)]

    def shell(self, command: str, home: str) -> list[str]:
        """Run a command line, with the paths of Packer's own files mapped to the host."""
        scripts = PACKER_FILES.sub(rf"{self.root}\g<0>", command)
        copies = re.sub(r'^(scp -\w+ "?)/', rf"\g<1>{self.root}/", scripts)
        return ["sh", "-c", ENTER, "sh", self.path(home), "/bin/sh", "-c", copies]

    def path(self, name: str) -> str:
        """Return the path on the host."""
        return str(rootfs.inside(self.root, name))

    def mapped(self, word: str) -> str:
        """Return the path on the host if the word is a path of the instance, else the word."""
        if not word.startswith("/"):
            return word
        path = rootfs.inside(self.root, word)
        return str(path) if path.exists() else word

    def environment(self) -> dict[str, str]:
        """Return a login's variables; scripts find their files below $ROOT."""
        return {
            MARKER: self.marker,
            "PATH": f"{self.root}/run/shim:{HOST_PATH}",
            "HOME": f"{self.root}/root",
            "USER": "root",
            "ROOT": str(self.root),
        }

    def members(self) -> list[int]:
        """Return the processes that were started for this instance."""
        entry = f"INSTANCE_ID={self.instance}"
        return processes.matching(lambda pid: processes.has_entry(pid, entry))

    async def close(self) -> None:
        """Kill the processes of this instance."""
        entry = f"INSTANCE_ID={self.instance}"
        await asyncio.to_thread(processes.end_all, lambda pid: processes.has_entry(pid, entry))


def enclose(kind: str, *, root: Path, marker: str, instance: str) -> Enclosure:
    """Return the enclosure of one instance."""
    if kind == "plain":
        return Plain(root=root, marker=marker, instance=instance)
    return Namespaces(root=root, marker=marker, user=kind == "user-namespaces", kind=kind)


async def best(folder: Path, marker: str) -> str:
    """Return the strongest kind that works on this machine, by trying each."""
    kinds = ["user-namespaces"]
    if os.geteuid() == 0:
        kinds.insert(0, "namespaces")
    for kind in kinds:
        if await is_usable(kind, folder / "probe", marker):
            return kind
    return "plain"


async def is_usable(kind: str, root: Path, marker: str) -> bool:
    """Return True if a command runs in an enclosure of this kind."""
    rootfs.build(root)
    enclosure = enclose(kind, root=root, marker=marker, instance="probe")
    try:
        await enclosure.open()
        probe = await asyncio.create_subprocess_exec(
            *enclosure.shell("test -d /home/ec2-user && echo works", "/"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=enclosure.environment(),
        )
        output, _ = await probe.communicate()
    except OSError:
        return False
    finally:
        await enclosure.close()
        shutil.rmtree(root, ignore_errors=True)
    return output == b"works\n"
