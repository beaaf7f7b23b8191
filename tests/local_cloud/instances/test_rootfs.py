"""Instances with a root file system of their own, by an overlay over a tree."""

from __future__ import annotations

import functools
import re
import shutil
import socket
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from local_cloud import control
from local_cloud.errors import RefusedError
from local_cloud.instances import base_tree, debian_tree, overlay
from local_cloud.state_dir import HOME, StateDir
from pipeline.cli.local_cloud import local_cloud
from tests import running_cloud
from tests.local_cloud.instances import openssh, tiny_tree
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


UNITS = {
    "once": "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/mkdir /run/once",
    "forks": "Type=forking\nPIDFile=/run/forks.pid\nEnvironmentFile=/etc/forks.env\n"
    "ExecStartPre=/bin/mkdir /run/forks\nExecStart=/usr/bin/forks $LONG\n"
    "ExecReload=/bin/sh -c 'echo $MAINPID >/run/forks/reloaded'\n"
    "ExecStop=/bin/sh -c 'echo $MAINPID >/run/forks/stopped'",
    "tells": "Type=notify\nUser=app\nSupplementaryGroups=logs\nRuntimeDirectory=tells\n"
    "PrivateTmp=yes\nStandardOutput=journal+console\n"
    "ExecStart=/bin/sh -c 'id; ls -ld /run/tells; echo $NOTIFY_SOCKET; exec sleep 1000'",
}
FORKS = """#!/bin/sh
sleep $1 >/dev/null 2>&1 &
echo $! >/run/forks.pid
"""


CONTROLS = """#!/bin/sh
systemctl start forks
systemctl reload forks
systemctl stop forks
cat /run/forks.pid /run/forks/reloaded /run/forks/stopped
systemctl is-active forks
sudo -u app id -un
"""


def with_services(cloud: Cloud) -> str:
    """Make an image with a service of each type, enabled as a package does."""
    lines = ["#!/bin/sh", "mkdir -p /usr/lib/systemd/system; echo LONG=987 >/etc/forks.env"]
    for name, text in UNITS.items():
        unit = f"[Service]\n{text}\n[Install]\nWantedBy=multi-user.target"
        lines.append(f"cat >/usr/lib/systemd/system/{name}.service <<'END'\n{unit}\nEND")
        lines.append(f"systemctl enable {name}")
    lines.append(f"cat >/usr/bin/forks <<'END'\n{FORKS}END\nchmod 755 /usr/bin/forks")
    return image_of(cloud, ran(cloud, "\n".join(lines))[0])


def test_services_of_packages_start_by_their_types(rooted: Cloud) -> None:
    image = with_services(rooted)
    instance, _ = ran(rooted, CONTROLS, ImageId=image)
    eventually(lambda: "tells: @local-cloud/" in rooted.console(instance))
    eventually(lambda: "once.service: active: exited, 0" in rooted.console(instance))
    console = rooted.console(instance)
    assert "forks.service: active: started" in console
    pids = re.findall(r"cloud-init: (\d+)$", console, re.MULTILINE)
    assert len(pids) == 3
    assert len(set(pids)) == 1
    said = [line for line in console.splitlines() if line.startswith("cloud-init: ")]
    assert "cloud-init: inactive\ncloud-init: app" in "\n".join(said)
    assert "tells: uid=77(app) gid=78(app) groups=78(app),79(logs)" in console
    assert re.search(r"tells: drwxr-xr-x \d+ app app", console)
    assert "tells.service: the local cloud ignores PrivateTmp" in console
    assert "tells.service: active" not in console
    report(re.findall(r"tells: (@local-cloud/\w+)", console)[0], "STATUS=almost\nREADY=1")
    eventually(lambda: "tells.service: active: started" in rooted.console(instance))


def report(name: str, text: str) -> None:
    """Send what sd_notify(3) sends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), name.replace("@", "\0", 1))


def test_files_are_copied_to_and_from_a_tree_without_scp(rooted: Cloud, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    made = rooted.aws("ec2").create_key_pair(KeyName="rooted", KeyType="ed25519")
    key.write_text(made["KeyMaterial"])
    instance = rooted.launch(KeyName="rooted")
    (tmp_path / "up/a folder").mkdir(parents=True)
    (tmp_path / "up/a folder/data").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "up/run").write_text("#!/bin/sh\n")
    (tmp_path / "up/run").chmod(0o750)
    remote = f"root@{instance['PublicIpAddress']}:/opt/copied"
    port = f"Port={rooted.state.ssh_port}"
    for source, target in ((str(tmp_path / "up"), remote), (remote, str(tmp_path / "down"))):
        done = openssh.run("scp", "-O", "-r", "-i", str(key), "-o", port, source, target)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "down/a folder/data").read_bytes() == bytes(range(256)) * 1000
    assert (tmp_path / "down/run").stat().st_mode & 0o777 == 0o750
    missing = openssh.run("scp", "-O", "-i", str(key), "-o", port, f"{remote}/no", str(tmp_path))
    assert missing.returncode == 1
    assert "no: No such file or directory" in missing.stderr


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


@pytest.mark.parametrize("kind", ["plain", "user-namespaces"])
def test_an_isolation_without_roots_is_refused(kind: str) -> None:
    assert overlay.isolation("auto") == "namespaces"
    with pytest.raises(RefusedError, match=f"isolation {kind} cannot change the root"):
        overlay.isolation(kind)


def test_a_folder_that_cannot_hold_an_overlay_is_named(tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    with pytest.raises(RefusedError, match="no overlay can be mounted here: mount: ") as refused:
        overlay.check_mounts(tmp_path / "instances", tmp_path / "missing")
    assert HOME in refused.value.remedy
    assert list((tmp_path / "instances").iterdir()) == []


def test_what_an_ordinary_user_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert overlay.what_is_missing("me").startswith("sudo apt-get install uidmap")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(overlay, "ID_FILES", (tmp_path / "subuid",))
    assert overlay.what_is_missing("me") == (
        "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me"
    )
    (tmp_path / "subuid").write_text("me:100000:65536\n")
    assert "util-linux 2.38" in overlay.what_is_missing("me")


def test_a_root_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(local_cloud, ["up", "--rootfs", str(tmp_path / "no")])
    assert done.exit_code == 2
    assert "does not exist" in done.output


PAGE = "Welcome to nginx!"
INSTALLS = """#!/bin/sh
apt-get update && apt-get install -y nginx-light
"""


@pytest.mark.long
def test_an_unchanged_package_serves_on_every_instance_of_its_image(tmp_path: Path) -> None:
    tar, home = tmp_path / "debian.tar", StateDir(path=tmp_path / "cloud")
    debian_tree.make(tar, suite="bookworm", mirror="", packages=())
    state = control.up(home, port=0, speed=1000, rootfs=str(tar))
    cloud = running_cloud.Cloud(home=home, state=state)
    try:
        builder = cloud.launch(UserData=INSTALLS)["InstanceId"]
        eventually(lambda: "part-001 exited, 0" in cloud.console(builder), within=300)
        image = image_of(cloud, builder)
        for _ in range(2):
            address = cloud.launch(ImageId=image)["PrivateIpAddress"]
            eventually(functools.partial(serves, address))
    finally:
        control.down(home)
    assert list(tmp_path.iterdir()) == [tar]


def serves(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            return PAGE in answer.read().decode()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("found", "why"),
    [("manifest.json", "a saved image of a container"), ("readme", "it has no /bin/sh")],
)
def test_what_is_no_root_file_system_is_refused(tmp_path: Path, found: str, why: str) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / found).touch()
    with pytest.raises(RefusedError, match=why):
        base_tree.prepare(tmp_path / "given", tmp_path / "tree")
