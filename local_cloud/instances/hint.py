"""Explain what fails on an instance only because it has no `--rootfs`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_cloud.errors import PROGRAM

MANAGERS = "yum|dnf|microdnf|apt-get|apt|apt-key|dpkg|rpm|apk|zypper|amazon-linux-extras"
NO_PACKAGE = re.compile(
    rf"\b(?:{MANAGERS}): (?:command )?not found"
    r"|^E: (?:Could not open lock file|Unable to (?:locate package|acquire the dpkg))"
    r"|^dpkg: error: .*Read-only file system"
    r"|/usr/\S*'?: Read-only file system".encode(),
    re.MULTILINE,
)
NO_PORT = re.compile(rb"address (?:is )?already in use|EADDRINUSE", re.IGNORECASE)
ROOTFS = f"{PROGRAM} down; {PROGRAM} rootfs debian.tar; {PROGRAM} up --rootfs debian.tar"
PACKAGES = (
    "an instance has the programs of this machine, read-only. To install packages, give it a root"
    f" file system: {ROOTFS}"
)
PORTS = (
    "listen on the address in INSTANCE_ADDRESS: instances share the ports of this machine. AWS does"
    " not set it: listen on 0.0.0.0 there. Or give each instance a root file system, which brings"
    f" ports of its own: {ROOTFS}"
)
"""It begins with what to do: a list of last lines cuts it."""


@dataclass(kw_only=True, slots=True)
class Hint:
    """What to explain on one instance; a package is explained once, a port whenever it fails."""

    is_due: bool = True
    _said: bool = False

    def after(self, output: bytes) -> str:
        """Return the explanation of what this output shows, or nothing."""
        if self.is_due and not self._said and NO_PACKAGE.search(output):
            self._said = True
            return PACKAGES
        # Each start of a service says it: people see the last lines of an instance.
        return PORTS if self.is_due and NO_PORT.search(output) else ""
