"""The explanation of a package that could not be installed."""

from __future__ import annotations

import pytest

from local_cloud.instances.package_hint import TEXT, PackageHint


@pytest.mark.parametrize(
    "output",
    [
        b"/bin/sh: 3: yum: not found\n",
        b"bash: line 1: dnf: command not found\n",
        b"sudo: apt-get: command not found\n",
        b"E: Could not open lock file /var/lib/dpkg/lock-frontend - open (2: No such file)\n",
        b"Reading package lists...\nE: Unable to locate package nginx\n",
        b"cp: cannot create regular file '/usr/local/bin/app': Read-only file system\n",
    ],
)
def test_what_a_package_manager_prints_is_explained_once(output: bytes) -> None:
    hint = PackageHint()
    assert hint.after(b"installing\n") == ""
    assert hint.after(output) == TEXT
    assert hint.after(output) == ""


@pytest.mark.parametrize("output", [b"app: not found\n", b"yum install\n", b"/data: Read-only"])
def test_other_output_is_not_explained(output: bytes) -> None:
    assert PackageHint().after(output) == ""
