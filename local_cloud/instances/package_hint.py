"""Explain, once per instance, why a package could not be installed without `--rootfs`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_cloud.errors import PROGRAM

MANAGERS = "yum|dnf|microdnf|apt-get|apt|apt-key|dpkg|rpm|apk|zypper|amazon-linux-extras"
FAILED = re.compile(
    rf"\b(?:{MANAGERS}): (?:command )?not found"
    r"|^E: (?:Could not open lock file|Unable to (?:locate package|acquire the dpkg))"
    r"|^dpkg: error: .*Read-only file system"
    r"|/usr/\S*'?: Read-only file system".encode(),
    re.MULTILINE,
)
TEXT = (
    "an instance has the programs of this machine, read-only. To install packages, give it a root"
    f" file system: {PROGRAM} down; {PROGRAM} rootfs debian.tar;"
    f" {PROGRAM} up --rootfs debian.tar"
)


@dataclass(kw_only=True, slots=True)
class PackageHint:
    """Whether the explanation is still to be given on one instance."""

    is_due: bool = True

    def after(self, output: bytes) -> str:
        """Return the explanation if this output shows that a package could not be installed."""
        if not self.is_due or not FAILED.search(output):
            return ""
        self.is_due = False
        return TEXT
