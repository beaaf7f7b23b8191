"""Instances with a root file system of their own, by an overlay over a tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from local_cloud.errors import RefusedError
from local_cloud.instances import base_tree
from tests import running_cloud
from tests.local_cloud.instances import tiny_tree
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

CHANGES = """#!/bin/sh
echo changed >/usr/own
rm /opt/gone
rm -r /opt/again; mkdir /opt/again; echo new >/opt/again/new
"""
SHOWS = "#!/bin/sh\ncat /usr/own /opt/again/new; ls /opt /opt/again; ls /usr/lib/python3\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny_tree.make(tmp_path_factory.mktemp("tree"))
    (root / "opt/again").mkdir(parents=True)
    (root / "opt/again/old").touch()
    (root / "opt/gone").touch()
    return root


@pytest.fixture(scope="module")
def rooted(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud whose instances have that tree as their root."""
    home = tmp_path_factory.mktemp("rooted") / "cloud"
    with running_cloud.a_cloud(home, rootfs=str(tree)) as cloud:
        yield cloud


def ran(cloud: Cloud, script: str, **more: str) -> tuple[str, str]:
    """Launch an instance with a script; return its id and what it printed."""
    instance = cloud.launch(UserData=script, **more)["InstanceId"]
    eventually(lambda: "part-001 exited" in cloud.console(instance))
    return instance, cloud.console(instance)


def image_of(cloud: Cloud, instance: str) -> str:
    ec2 = cloud.aws("ec2")
    image = str(ec2.create_image(InstanceId=instance, Name=f"of-{instance}")["ImageId"])
    eventually(lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    return image


def test_an_image_keeps_what_its_instance_wrote_and_deleted_in_the_tree(
    rooted: Cloud, tree: Path
) -> None:
    instance, _ = ran(rooted, CHANGES)
    image = image_of(rooted, instance)
    _, shown = ran(rooted, SHOWS, ImageId=image)
    words = [line.removeprefix("cloud-init: ") for line in shown.splitlines()]
    assert words[1:8] == ["changed", "new", "/opt:", "again", "", "/opt/again:", "new"]
    assert "cannot access '/usr/lib/python3'" in shown  # a program of the host's /usr
    assert not (tree / "usr/own").exists()
    assert (tree / "opt/gone").exists()


def archived(source: Path, target: Path, *more: str) -> Path:
    subprocess.run(["tar", "-cf", target, "-C", source, *more, "."], check=True)  # noqa: S607  from PATH
    return target


def test_a_tar_is_unpacked_with_its_modes(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    setuid = tmp_path / "more/su"
    setuid.touch()
    setuid.chmod(0o4755)
    tar = archived(tree, tmp_path / "tree.tar", "-C", str(tmp_path / "more"), "su", "-C", str(tree))
    base_tree.prepare(tar, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/bin/sh").exists()
    assert (tmp_path / "unpacked/su").stat().st_mode & 0o7777 == 0o4755


def test_a_tar_with_a_path_outside_is_refused_and_writes_nothing_there(tmp_path: Path) -> None:
    for name, transform in (("up", "s|^evil|../outside|"), ("link", "s|^evil|var/outside|")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "var").symlink_to("..")
        (folder / "evil").write_text("evil")
        tar = folder / "made.tar"
        names = ["var", "evil"] if name == "link" else ["evil"]
        subprocess.run(  # the link comes first
            ["tar", "-cPf", tar, "-C", folder, f"--transform={transform}", *names],  # noqa: S607  from PATH
            check=True,
        )
        with pytest.raises(RefusedError, match="could not be unpacked"):
            base_tree.prepare(tar, folder / "unpacked")
        assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize(
    ("found", "why"),
    [("manifest.json", "a saved image of a container"), ("readme", "it has no /bin/sh")],
)
def test_what_is_no_root_file_system_is_refused(tmp_path: Path, found: str, why: str) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / found).touch()
    with pytest.raises(RefusedError, match=why):
        base_tree.prepare(tmp_path / "given", tmp_path / "tree")
