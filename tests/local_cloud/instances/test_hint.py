"""The explanations of what fails only without a root file system."""

from __future__ import annotations

import pytest

from local_cloud.instances.hint import PACKAGES, PORTS, Hint


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
    hint = Hint()
    assert hint.after(b"installing\n") == ""
    assert hint.after(output) == PACKAGES
    assert hint.after(output) == ""


@pytest.mark.parametrize(
    "output",
    [
        b"OSError: [Errno 98] Address already in use\n",
        b"Error: listen EADDRINUSE: address already in use 0.0.0.0:8080\n",
        b"java.net.BindException: Address already in use\n",
    ],
)
def test_a_port_that_another_instance_has_is_explained_each_time(output: bytes) -> None:
    hint = Hint()
    assert [hint.after(output), hint.after(output)] == [PORTS, PORTS]
    assert Hint(is_due=False).after(output) == ""


@pytest.mark.parametrize("output", [b"app: not found\n", b"yum install\n", b"/data: Read-only"])
def test_other_output_is_not_explained(output: bytes) -> None:
    assert Hint().after(output) == ""
