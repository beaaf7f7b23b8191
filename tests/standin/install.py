"""Install the Terraform stand-in on a PATH; tests import this, the stand-in itself does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Without `site` it starts in a tenth of the time.
_PROGRAM = """\
#!{python} -IS
import sys
sys.path.insert(0, {repository!r})
from tests.standin.program import main
sys.exit(main())
"""


def installed(folder: Path, path: str) -> str:
    """Write `terraform` into a new folder; return `path` with it in front."""
    folder.mkdir(parents=True)
    program = folder / "terraform"
    program.write_text(_PROGRAM.format(python=sys.executable, repository=str(REPOSITORY)))
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{path}"
