"""Provide the tree below the root file systems of instances: a folder, or an archive of one."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from local_cloud.errors import PROGRAM, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

SHELL = "bin/sh"
DEVICES = ("--exclude=dev/*", "--exclude=./dev/*")
"""An instance has devices of its own, and an ordinary user may make none."""


def prepare(source: Path, target: Path) -> None:
    """Make `target` the tree: a link to a folder, or what an archive has in it.

    Raise RefusedError if the archive is damaged, names a path outside, or is no root file system.
    """
    if source.is_dir():
        target.symlink_to(source)
    else:
        unpack(source, target)
    check(source, target)


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive with its modes, owners and attributes.

    GNU tar refuses a member with `..` and makes absolute links last, so that no member is written
    through a link (GNU tar manual, "Security").
    """
    target.mkdir()
    how = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*", *DEVICES]
    done = subprocess.run(
        ["tar", "--extract", "--file", str(archive), "--directory", str(target), *how],  # noqa: S607  from PATH, as in a user's shell
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"tar exited with {done.returncode}"]
        raise refused(archive, "the archive could not be unpacked\n" + "\n".join(lines[:5]))


def check(source: Path, tree: Path) -> None:
    """Raise RefusedError if a tree has no shell to start anything with."""
    found = tree / SHELL
    if found.exists() or found.is_symlink() or (tree / "usr" / SHELL).exists():
        return
    if (tree / "manifest.json").exists() or (tree / "oci-layout").exists():
        raise RefusedError(
            f"--rootfs {source}",
            "it is a saved image of a container, which consists of layers",
            "docker export $(docker create IMAGE) > rootfs.tar",
        )
    raise refused(source, "it is no root file system: it has no /bin/sh")


def refused(source: Path, what: str) -> RefusedError:
    """Return the refusal of a tree, with the way to another."""
    return RefusedError(f"--rootfs {source}", what, f"make one: {PROGRAM} rootfs rootfs.tar")
