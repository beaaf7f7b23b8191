"""Find the plugins of a current Packer on this machine: the tests hide its user's own folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "PACKER_PLUGIN_PATH"


def plugin_path(environ: Mapping[str, str]) -> str:
    """Return the value of PACKER_PLUGIN_PATH that finds the same plugins with any HOME.

    It is empty if there are none. Packer before 1.7 ignores the variable.
    """
    if own := environ.get(VARIABLE):
        return os.pathsep.join(str(Path(each).absolute()) for each in own.split(os.pathsep))
    roots = [Path(environ[name]) for name in ("PACKER_CONFIG_DIR", "HOME") if environ.get(name)]
    folders = (root / name for root in roots for name in (".config/packer", ".packer.d", "."))
    found = (folder / "plugins" for folder in folders if (folder / "plugins").is_dir())
    return str(next(found, ""))


PLUGINS = {VARIABLE: path} if (path := plugin_path(os.environ)) else {}
"""The variable, for the environment of a Packer that runs in a test."""
