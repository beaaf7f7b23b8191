"""What an image and its instances share on the disk, and what they do not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from local_cloud.instances import images, processes, rootfs

if TYPE_CHECKING:
    from pathlib import Path


def image(folder: Path) -> Path:
    """An image with links as the host has them, and a file."""
    alternatives = folder / "etc/alternatives"
    alternatives.mkdir(parents=True)
    alternatives.chmod(0o750)
    for name in ("awk", "vi"):
        (alternatives / name).symlink_to(f"/usr/bin/{name}")
    (alternatives / "README").write_text("of the image")
    (folder / "opt/app").mkdir(parents=True)
    (folder / "opt/app/current").symlink_to("v1")
    return folder


def copied(source: Path, target: Path) -> Path:
    assert asyncio.run(images.copy(source, target, "--reflink=auto"))
    return target


def content(folder: Path) -> dict[str, str]:
    """Return what is in a folder, with the modes of folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = oct(path.stat().st_mode) if path.is_dir() else path.read_text()
    return found


def is_one(path: Path, other: Path) -> bool:
    """Tell whether two names are of one file, which may be a link."""
    return os.path.samestat(path.lstat(), other.lstat())


def test_a_copy_equals_the_original_and_shares_the_links_from_the_host(
    tmp_path: Path,
) -> None:
    one = image(tmp_path / "image")
    two = copied(one, tmp_path / "instance")
    assert content(two) == content(one)
    same = [name for name in content(one) if is_one(one / name, two / name)]
    assert same == ["etc/alternatives/awk", "etc/alternatives/vi"]


def test_a_link_changed_by_an_instance_stays_unchanged_in_its_image(tmp_path: Path) -> None:
    one = image(tmp_path / "image")
    two = copied(one, tmp_path / "instance")
    (two / "etc/alternatives/new").symlink_to("/usr/bin/nano")
    (two / "etc/alternatives/new").rename(two / "etc/alternatives/vi")
    (two / "etc/alternatives/README").write_text("of the instance")
    assert content(one)["etc/alternatives/vi"] == "-> /usr/bin/vi"
    assert content(one)["etc/alternatives/README"] == "of the image"


def test_the_targets_of_linked_folders_are_not_shared(tmp_path: Path) -> None:
    elsewhere = image(tmp_path / "elsewhere")
    one = tmp_path / "image"
    (one / "etc").mkdir(parents=True)
    (one / "etc/alternatives").symlink_to(elsewhere / "etc/alternatives")
    two = copied(one, tmp_path / "instance")
    assert (two / "etc/alternatives").readlink() == elsewhere / "etc/alternatives"


def test_a_folder_of_the_host_is_copied_with_its_links_and_modes(tmp_path: Path) -> None:
    host = image(tmp_path / "host")
    rootfs.copy_from_host(host / "etc", tmp_path / "root/etc")
    assert content(tmp_path / "root/etc") == content(host / "etc")


def test_an_instance_has_the_packages_of_this_machine(tmp_path: Path) -> None:
    """Its /usr is this machine's, so that the list is true."""
    rootfs.build(tmp_path)

    def listed(*options: str) -> bytes:
        return subprocess.run(
            ["/usr/bin/dpkg-query", *options, "-W"], check=True, capture_output=True
        ).stdout

    assert listed(f"--admindir={tmp_path}/var/lib/dpkg") == listed()


def test_a_process_has_exited_while_another_holds_its_output() -> None:
    async def leave_one_behind() -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            *["sh", "-c", "sleep 30 & echo $!; exit 3"], stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        left = await process.stdout.readline()
        code = await processes.exited(process)
        processes.send([int(left)], signal.SIGKILL)
        await process.communicate()  # now its output is closed
        return code, left

    code, left = asyncio.run(leave_one_behind())
    assert code == 3
    assert int(left)
