"""What a root file system holds before anyone installed anything in it.

The machine's own programs come from the host, bound read-only when the instance
runs; the instance owns /etc, /opt, /srv, /var, /home, /root, /tmp and /run.
"""

from __future__ import annotations

import os
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
    "home/ec2-user",
    "home/ubuntu",
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


def build(root: Path) -> None:
    """Make what is missing of a root file system; what is there stays as it is."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for open_to_all in ("tmp", "var/tmp"):
        (root / open_to_all).chmod(MODE_STICKY)
    for name in ETC:
        borrow(Path("/etc") / name, root / "etc" / name)


def borrow(source: Path, target: Path) -> None:
    """Copy a file or folder of the host, without following links."""
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir() and not source.is_symlink():
            transplant(source, target)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    except (OSError, shutil.Error):
        return  # not readable to this user; the instance does without


def transplant(source: Path, target: Path) -> None:
    """Copy a folder as `shutil.copytree` does, but the links without their times.

    There are hundreds, and their times and attributes take longer than they do.
    """
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_symlink():
            (target / entry.name).symlink_to(entry.readlink())
        elif entry.is_dir():
            transplant(entry, target / entry.name)
        else:
            shutil.copy2(entry, target / entry.name)
    shutil.copystat(source, target)


def fresh_run(root: Path) -> Path:
    """Empty /run, as a boot does, and put the shims there; return their folder."""
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
    """Return where `path` of the instance lies here, resolving its links as it would.

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
