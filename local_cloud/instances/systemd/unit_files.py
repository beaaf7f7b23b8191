"""Find the unit files of an instance, with their drop-ins, and what starts at boot."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

from local_cloud.instances import rootfs
from local_cloud.instances.systemd import unit_syntax, units

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.instances.systemd.units import Unit

SYSTEM = "/etc/systemd/system"
FOLDERS = (
    SYSTEM,
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where units are, the first that has one decides (systemd.unit(5))."""

NO_SERVICES = ("timers.target", "sockets.target", "paths.target", "multi-user.target")


def load(root: Path, name: str) -> Unit | None:
    """Read the unit of this name; None if there is none or it is masked."""
    path = find(root, name)
    if path is None:
        return None
    file = rootfs.inside(root, path)
    if not file.is_file():
        return None  # a link to /dev/null
    texts = [file, *drop_ins(root, name)]
    return units.parse(name, "\n".join(each.read_text(errors="replace") for each in texts))


def find(root: Path, name: str) -> str | None:
    """Return the path, in the instance, of a unit file or of the template that it is of."""
    candidates = dict.fromkeys((unit_syntax.full_name(name), unit_syntax.file_name(name)))
    for folder in FOLDERS:
        for candidate in candidates:
            if os.path.lexists(rootfs.inside(root, folder) / candidate):
                return f"{folder}/{candidate}"
    return None


def is_masked(root: Path, name: str) -> bool:
    """Return True if a unit is a link to /dev/null (systemctl(1), mask)."""
    folder, _, last = (find(root, name) or "").rpartition("/")
    file = rootfs.inside(root, folder) / last
    return file.is_symlink() and str(file.readlink()) == os.devnull


def drop_ins(root: Path, name: str) -> list[Path]:
    """Return the files that add to a unit, in the order of their names."""
    found: dict[str, Path] = {}
    for folder in reversed(FOLDERS):
        for unit in dict.fromkeys((unit_syntax.file_name(name), unit_syntax.full_name(name))):
            for each in rootfs.inside(root, f"{folder}/{unit}.d").glob("*.conf"):
                found[each.name] = each
    return [found[key] for key in sorted(found)]


def preset(root: Path, unit: str) -> str:
    """Return `enable` or `disable`, as the first rule for a unit says (systemd.preset(5))."""
    files: dict[str, Path] = {}
    for folder in ("/usr/lib", "/lib", "/run", "/etc"):
        found = rootfs.inside(root, f"{folder}/systemd/system-preset").glob("*.preset")
        files |= {each.name: each for each in found}
    for name in sorted(files):
        for line in files[name].read_text(errors="replace").splitlines():
            verb, *patterns = line.split() or ["#"]
            if verb in {"enable", "disable"} and fnmatch.fnmatch(unit, "".join(patterns[:1])):
                return verb
    return "enable"


def wanted(root: Path, target: str) -> list[str]:
    """Return the units that a target wants."""
    folder = rootfs.inside(root, f"{SYSTEM}/{target}.wants")
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def others(root: Path) -> list[str]:
    """Return the units that start at boot on AWS and are no services: timers, sockets, paths."""
    names = {name for target in NO_SERVICES for name in wanted(root, target)}
    return sorted(name for name in names if not name.endswith((".service", ".target")))
