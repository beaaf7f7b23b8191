"""Build the root file system of an instance before anything is installed in it.

Programs come from the host, bound read-only while the instance runs. The instance owns /etc,
/opt, /srv, /var, /home, /root, /tmp and /run. With a tree below it, the instance owns everything.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = (
    "etc/systemd/system/multi-user.target.wants",
    "opt",
    "srv",
    "var/log",
    "var/lib",
    "var/tmp",
    "var/cache",
    "home",
    "root",
    "tmp",
    "run",
    "proc",
    "dev",
    "sys",
    "usr",
    "mnt",
)
ETC = (
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "passwd",
    "group",
    "nsswitch.conf",
    "hosts",
    "resolv.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "profile",
    "services",
    "protocols",
    "os-release",
)
PACKAGES = "var/lib/dpkg/status"
"""Which Debian packages are installed: /usr is this machine's, and so are they (dpkg(1))."""
NETWORK = ("resolv.conf", "hosts")
"""What the exported image of a container has as an empty file or as a link to nothing."""
SHIMS = Path(__file__).parent / "shims"
MODE_STICKY = 0o1777
ROOT_HOME, HOMES = "/root", "/home/"
FIRST_USER = 1000
USERS = ("ec2-user", "ubuntu")
"""The users of the images of Amazon and Canonical."""
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def build(root: Path, *, has_programs: bool = False) -> None:
    """Add what a root file system lacks; existing files stay as they are.

    One that `has_programs` of its own gets only the way to other hosts from this machine.
    """
    for folder in FOLDERS:
        inside(root, folder).mkdir(parents=True, exist_ok=True)
    for shared in ("tmp", "var/tmp"):
        inside(root, shared).chmod(MODE_STICKY)
    if has_programs:
        complete(root)
    for name in () if has_programs else ETC:
        copy_from_host(Path("/etc") / name, root / "etc" / name)
    if not has_programs:
        copy_from_host(Path("/") / PACKAGES, root / PACKAGES)
    for name in USERS:
        home_of(root, name)


def complete(root: Path) -> None:
    """Give a tree the way to other hosts, and systemctl to scripts that set their own PATH."""
    for name in NETWORK:
        fill_from_host(root, f"/etc/{name}")
    found = [inside(root, folder) / "systemctl" for folder in ("/usr/bin", "/bin")]
    if not any(os.path.lexists(each) for each in found):
        found[0].symlink_to("/run/shim/systemctl")


def fill_from_host(root: Path, name: str) -> None:
    """Give a root file system the content of a file of the host if it has none."""
    target, source = root / name.lstrip("/"), Path(name)
    if not read(inside(root, name)) and source.is_file():
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)


def copy_from_host(source: Path, target: Path) -> None:
    """Copy a file or folder of the host, without following links."""
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir() and not source.is_symlink():
            copy_folder(source, target)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    except (OSError, shutil.Error):
        return  # not readable for this user; the instance works without it


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder as `shutil.copytree` does, but symbolic links without their times.

    There are hundreds of links, and copying their times takes longer than making them.
    """
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_symlink():
            (target / entry.name).symlink_to(entry.readlink())
        elif entry.is_dir():
            copy_folder(entry, target / entry.name)
        else:
            shutil.copy2(entry, target / entry.name)
    shutil.copystat(source, target)


def reset_run(root: Path, *, has_programs: bool = False) -> Path:
    """Empty /run, as a boot does, add the shims, and return their folder."""
    run = root / "run"
    shutil.rmtree(run, ignore_errors=True)
    shims = run / "shim"
    shims.mkdir(parents=True)
    if has_programs:  # sd_booted(3): the scripts of packages start services if this exists
        (run / "systemd/system").mkdir(parents=True)
    finished(root).unlink(missing_ok=True)
    for shim in ("cloud-init", "scp", "sudo", "systemctl"):
        shutil.copy(SHIMS / shim, shims / shim)
        (shims / shim).chmod(0o755)
    (shims / "journalctl").symlink_to("systemctl")
    os.mkfifo(shims / "requests", 0o600)
    return shims


def finished(root: Path) -> Path:
    """Return the file that exists once user data has run (cloud-init docs, "Boot stages")."""
    return inside(root, "var/lib/cloud/instance/boot-finished")


def inside(root: Path, path: str, depth: int = 20) -> Path:
    """Return the path on the host of a path of the instance, with its links resolved.

    A link of the instance to /etc/x means the instance's /etc/x, never the host's.
    """
    here: list[str] = []
    parts = [part for part in path.split("/") if part]
    while parts:
        part = parts.pop(0)
        if part == "..":
            here = here[:-1]
            continue
        if part == ".":
            continue
        step = root.joinpath(*here, part)
        if step.is_symlink() and depth > 0:
            depth -= 1
            target = str(step.readlink())
            here = [] if target.startswith("/") else here
            parts = [p for p in target.split("/") if p] + parts
            continue
        here.append(part)
    return root.joinpath(*here)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A user of an instance, as whom a process runs."""

    name: str
    user: int
    group: int
    groups: tuple[int, ...] = ()
    home: str = "/"

    @property
    def options(self) -> list[str]:
        """The options of chroot(1)."""
        groups = ",".join(map(str, (self.group, *self.groups)))
        return [f"--userspec={self.user}:{self.group}", f"--groups={groups}"]


def identity(root: Path, user: str, group: str = "", groups: Sequence[str] = ()) -> Identity | None:
    """Return a user of the instance by name or number; None if it or a group does not exist.

    As systemd.exec(5) says: the groups of the user and `groups`, and `group` in place of its own.
    """
    users, known = entries(root, "/etc/passwd"), entries(root, "/etc/group")
    numbers = {each[0]: int(each[2]) for each in known}
    entry = next((each for each in users if user in (each[0], each[2])), None)
    wanted = [*groups, *([group] if group else [])]
    if entry is None or any(not name.isdigit() and name not in numbers for name in wanted):
        return None
    found = [int(name) if name.isdigit() else numbers[name] for name in wanted]
    member = [int(each[2]) for each in known if entry[0] in each[3].split(",")]
    own = found.pop() if group else int(entry[3])
    return Identity(
        name=entry[0],
        user=int(entry[2]),
        group=own,
        groups=tuple(dict.fromkeys([*member, *found])),
        home=entry[5],
    )


def entries(root: Path, name: str) -> list[list[str]]:
    """Return the entries of passwd(5) or group(5), each with six fields at least."""
    lines = read(inside(root, name)).splitlines()
    found = [[*line.split(":"), "", "", ""] for line in lines if line.count(":") > 2]  # noqa: PLR2004  group(5)
    return [entry for entry in found if entry[2].isdigit()]


def is_user_name(name: str) -> bool:
    """Return True if a user may have this name (useradd(8))."""
    return bool(USER_NAME.fullmatch(name))


def home_of(root: Path, name: str) -> str:
    """Return the home of a user of the instance; make the user if there is none."""
    users = inside(root, "/etc/passwd")
    listed = [line.split(":") for line in read(users).splitlines()]
    home = next((each[5] for each in listed if each[0] == name and len(each) > 5), "")  # noqa: PLR2004  passwd(5)
    if not home:
        home = ROOT_HOME if name == "root" else f"{HOMES}{name}"
        taken = {each[2] for each in listed if len(each) > 2}  # noqa: PLR2004  the same
        free = next(n for n in itertools.count(FIRST_USER) if str(n) not in taken)
        number = 0 if name == "root" else free
        append(users, f"{name}:x:{number}:{number}::{home}:/bin/sh")
        append(inside(root, "/etc/group"), f"{name}:x:{number}:")
    if home.startswith(HOMES):
        inside(root, home).mkdir(parents=True, exist_ok=True)
    return home


def read(path: Path) -> str:
    """Return the content of a text file; empty if there is none."""
    return path.read_text(errors="replace") if path.is_file() else ""


def append(path: Path, line: str) -> None:
    """Add a line to a file, whole and on a line of its own."""
    before = read(path)
    gap = "\n" if before and not before.endswith("\n") else ""
    path.write_text(f"{before}{gap}{line}\n")
