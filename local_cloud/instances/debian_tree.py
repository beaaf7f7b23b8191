"""Make a minimal Debian for `--rootfs`, with mmdebstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

from local_cloud.errors import PROGRAM, FailedError, RefusedError
from local_cloud.instances import reaper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAKER = "mmdebstrap"
PACKAGES = ("ca-certificates",)
LAST_LINES = 10


def make(target: Path, *, suite: str, mirror: str, packages: Sequence[str]) -> None:
    """Make a folder, or an archive if the name is that of one; the mirror may be empty.

    Raise RefusedError if that cannot work, FailedError with mmdebstrap's last lines if it fails.
    """
    check(target)
    include = ",".join((*PACKAGES, *packages))
    options = ["--variant=minbase", f"--include={include}", f"--format={format_of(target)}"]
    where = [mirror] if mirror else []
    code, lines = run([MAKER, *options, suite, str(target), *where])
    if code == 0:
        return
    if target.is_dir():
        reaper.remove_tree(target)
    target.unlink(missing_ok=True)
    raise FailedError(
        f"{MAKER} {suite}", "\n".join(lines), "fix the cause above, then run it again"
    )


def check(target: Path) -> None:
    """Raise RefusedError if the tree cannot be made here."""
    where = f"local-cloud rootfs {target}"
    if target.exists():
        raise RefusedError(where, f"{target} already exists", f"{PROGRAM} up --rootfs {target}")
    if not shutil.which(MAKER):
        raise RefusedError(where, f"{MAKER} is not installed", f"sudo apt-get install {MAKER}")
    if os.geteuid() and format_of(target) == "directory":
        why = "only root can make a folder with the owners of its files"
        raise RefusedError(where, why, f"{PROGRAM} rootfs {target}.tar")


def format_of(target: Path) -> str:
    """Return mmdebstrap's name of the form: an archive if the name has .tar in its end."""
    return "tar" if ".tar" in target.suffixes[-2:] else "directory"


def run(argv: Sequence[str]) -> tuple[int, list[str]]:
    """Run a program and show its progress; return its exit code and its last lines."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as made:
        for line in made.stdout or ():
            last.append(line.rstrip())
            sys.stderr.write(line)
    return made.returncode, list(last)
