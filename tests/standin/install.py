"""Install a stand-in on a PATH; tests import this, the stand-ins themselves do not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Without `site` they start in a tenth of the time.
_PROGRAM = """\
#!{python} -IS
import sys
sys.path.insert(0, {repository!r})
from tests.standin.{module} import main
sys.exit(main({arguments}))
"""


def installed(folder: Path, path: str) -> str:
    """Write `terraform` into a new folder; return `path` with it in front."""
    return _written(folder / "terraform", path, "program")


def installed_tofu(folder: Path, path: str) -> str:
    """Write `tofu` into a new folder; return `path` with it in front, and without Terraform."""
    real = shutil.which("terraform", path=path)
    assert real
    without = [_without_terraform(folder / str(n), each) for n, each in enumerate(_folders(path))]
    return _written(folder / "bin/tofu", os.pathsep.join(without), "tofu", repr(real))


def _written(program: Path, path: str, module: str, arguments: str = "") -> str:
    program.parent.mkdir(parents=True)
    text = _PROGRAM.format(
        python=sys.executable, repository=str(REPOSITORY), module=module, arguments=arguments
    )
    program.write_text(text)
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{path}"


def _folders(path: str) -> list[Path]:
    return [Path(each) for each in path.split(os.pathsep) if each]


def _without_terraform(folder: Path, original: Path) -> str:
    """Return a folder of a PATH, or links to its programs if Terraform is among them."""
    if not (original / "terraform").exists():
        return str(original)
    folder.mkdir(parents=True)
    for each in original.iterdir():
        if each.name != "terraform":
            (folder / each.name).symlink_to(each)
    return str(folder)
