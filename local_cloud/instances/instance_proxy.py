"""Let the programs of an instance reach the host names of AWS: by the proxy, as the user's do."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud import proxy_variables

if TYPE_CHECKING:
    from local_cloud.instances.isolation import Enclosure

FOLDER = "/run/local-cloud"
"""Emptied by a boot, and in no image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceProxy:
    """The proxy, by its URL, and the files of certificates that its clients trust."""

    url: str
    authority: Path
    trusted: Path

    def variables(self, enclosure: Enclosure) -> dict[str, str]:
        """Return the variables of every process of an instance."""
        authority = enclosure.path(f"{FOLDER}/{self.authority.name}")
        trusted = enclosure.path(f"{FOLDER}/{self.trusted.name}")
        return proxy_variables.variables(self.url, authority, trusted)

    def place(self, root: Path) -> None:
        """Give an instance the files."""
        folder = root / FOLDER.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for each in (self.authority, self.trusted):
            shutil.copyfile(each, folder / each.name)
