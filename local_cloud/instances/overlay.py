"""Give instances a root file system of their own: an overlay over a tree that they share.

What an instance writes is in its `up`, and that is what an image keeps. The cloud mounts the
overlays in a mount namespace of its own, so no mount outlives it. Without root, it also has a user
namespace in which subordinate ids are the users of its instances.

Sources: the kernel's Documentation/filesystems/overlayfs.rst, user_namespaces(7), subuid(5).
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.errors import RefusedError
from local_cloud.instances import reaper
from local_cloud.state_dir import HOME

if TYPE_CHECKING:
    from collections.abc import Sequence

MOUNT = "mount -t overlay overlay -o lowerdir={lower},upperdir=up,workdir=work{more} root"
ID_FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
# Relative paths: a comma or colon in a path would need another escape on each kernel.


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """The files of one instance, in `folder`; without a tree they are only what is in its root."""

    folder: Path
    tree: Path | None = None

    @property
    def root(self) -> Path:
        """The root directory of the instance."""
        return self.folder / "root"

    @property
    def written(self) -> Path:
        """The files that an image of the instance consists of."""
        return self.folder / "up" if self.tree else self.root

    def make(self) -> None:
        """Make the folders."""
        self.root.mkdir(parents=True)
        if self.tree:
            self.written.mkdir()
            (self.folder / "work").mkdir()

    def mount(self) -> None:
        """Show the tree below what the instance writes; raise OSError with mount's first line."""
        if self.tree:
            lower = os.path.relpath(self.tree, self.folder)
            done = run(["sh", "-c", MOUNT.format(lower=lower, more=options())], self.folder)
            if done.returncode:
                raise OSError(first_line(done))

    def unmount(self) -> None:
        """Undo `mount`; the files stay."""
        if self.tree:
            run(["umount", "--lazy", str(self.root)], self.folder)


def options() -> str:
    """Return the further options of a mount: a user namespace may not write trusted.* attributes.

    `userxattr` is for that (overlayfs.rst, "User xattr").
    """
    return "" if is_first_user_namespace() else ",userxattr"


def is_first_user_namespace() -> bool:
    """Return True if every user id is mapped to itself (user_namespaces(7))."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def enter() -> list[str]:
    """Return the words before a command that let it mount overlays."""
    if os.geteuid() == 0:
        return ["unshare", "--mount"]
    return [*reaper.WITH_SUBORDINATE_USERS, "--mount"]


def inside(pid: int) -> list[str]:
    """Return the words before a command that let it see what a cloud with overlays has mounted.

    Without words, this process sees it already. The owner of a user namespace may enter it
    (user_namespaces(7)), and must do so before its mount namespace.
    """
    others = [name for name in ("user", "mnt") if _namespace("self", name) != _namespace(pid, name)]
    flags = {"user": "--user", "mnt": "--mount"}
    enter = [f"{flags[name]}=/proc/{pid}/ns/{name}" for name in others]
    return ["nsenter", "--preserve-credentials", *enter] if enter else []


def _namespace(process: int | str, name: str) -> str:
    return str(Path(f"/proc/{process}/ns/{name}").readlink())


def check_user() -> None:
    """Raise RefusedError, with what is missing, if this user may not mount overlays at all."""
    done = run([*enter(), "true"], Path("/"))
    if done.returncode == 0:
        return
    what = f"it needs root, or subordinate user ids:\n{first_line(done)}"
    raise RefusedError("local-cloud up --rootfs", what, what_is_missing(getpass.getuser()))


def what_is_missing(user: str) -> str:
    """Return what an ordinary user needs for a namespace with more users than one."""
    if not shutil.which("newuidmap"):
        return "sudo apt-get install uidmap (dnf: shadow-utils)"
    if not all(has_ids(user, file) for file in ID_FILES):
        ids = "100000-165535"
        return f"sudo usermod --add-subuids {ids} --add-subgids {ids} {user}"
    return "run it as root, or see unshare(1), --map-auto (util-linux 2.38)"


def has_ids(user: str, file: Path) -> bool:
    """Return True if a user has subordinate ids by name or number (subuid(5))."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return any(line.split(":")[0] in {user, str(os.getuid())} for line in lines)


def isolation(asked: str) -> str:
    """Return the isolation of instances with a root of their own; raise RefusedError if not."""
    if asked in {"auto", "namespaces"}:
        return "namespaces"
    what = f"isolation {asked} cannot change the root of an instance"
    raise RefusedError("local-cloud up --rootfs", what, "leave out --isolation")


def check_mounts(folder: Path, tree: Path) -> None:
    """Raise RefusedError if no overlay can be mounted in a folder."""
    probe = Disk(folder=folder / "probe", tree=tree)
    probe.make()
    try:
        probe.mount()
        probe.unmount()
    except OSError as error:
        raise RefusedError(
            f"local-cloud up --rootfs, in {folder}",
            f"no overlay can be mounted here: {error}",
            f"set {HOME} to a folder on ext4, xfs, btrfs or tmpfs",
        ) from error
    finally:
        reaper.remove_tree(probe.folder)


def run(argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder."""
    return subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True)


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the first line that a program printed, which of mount(8) says why."""
    printed = (done.stderr + done.stdout).strip()
    return printed.splitlines()[0] if printed else f"exit status {done.returncode}"
