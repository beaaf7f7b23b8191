"""Make a root file system with a shell and a few programs, copied from this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = (
    *("sh", "cat", "chmod", "head", "id", "ls", "mkdir", "mkfifo", "mktemp", "od", "rm", "sleep"),
    *("setpriv", "stat", "tr", "true"),
)


def make(root: Path) -> Path:
    """Make the tree; its programs are those of the host, with the libraries that they need."""
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        copy(Path(found), root / "usr/bin" / name)
        for source in libraries(found):
            copy(Path(source), root / source.lstrip("/"))
    (root / "bin").symlink_to("usr/bin")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:77:78::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:78:\nlogs:x:79:app\n")
    return root


def libraries(program: str) -> list[str]:
    """Return the libraries that a program is linked with."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout  # noqa: S607  from PATH
    return re.findall(r"(/\S+) \(0x", listed)


def copy(source: Path, target: Path) -> None:
    """Copy a file, not a link to it, once."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
