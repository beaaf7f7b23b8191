"""Build the root file system of an instance before anything is installed in it.

Programs come from the host, bound read-only while the instance runs. The instance owns /etc,
/opt, /srv, /var, /home, /root, /tmp and /run.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
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
SHIMS = Path(__file__).parent / "shims"
MODE_STICKY = 0o1777
ROOT_HOME, HOMES = "/root", "/home/"
FIRST_USER = 1000
USERS = ("ec2-user", "ubuntu")
"""The users of the images of Amazon and Canonical."""
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def build(root: Path) -> None:
    """Add what a root file system lacks; existing files stay as they are."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for shared in ("tmp", "var/tmp"):
        (root / shared).chmod(MODE_STICKY)
    for name in ETC:
        copy_from_host(Path("/etc") / name, root / "etc" / name)
    for name in USERS:
        home_of(root, name)


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


def reset_run(root: Path) -> Path:
    """Empty /run, as a boot does, add the shims, and return their folder."""
    run = root / "run"
    shutil.rmtree(run, ignore_errors=True)
    shims = run / "shim"
    shims.mkdir(parents=True)
    for shim in ("sudo", "systemctl"):
        shutil.copy(SHIMS / shim, shims / shim)
        (shims / shim).chmod(0o755)
    os.mkfifo(shims / "requests", 0o600)
    return shims


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
