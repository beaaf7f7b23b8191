"""SSH into instances with OpenSSH's own client."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_cloud.errors import PROGRAM
from tests.local_cloud.instances.openssh import run
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.running_cloud import Cloud


@pytest.fixture
def key(cloud: Cloud, tmp_path: Path) -> Path:
    made = cloud.aws("ec2").create_key_pair(KeyName=tmp_path.name, KeyType="ed25519")
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(made["KeyMaterial"])
    return path


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A launched instance, and its address as a template of Packer finds it."""

    cloud: Cloud
    key: Path
    id: str
    address: str

    def ssh(
        self, command: str, user: str = "ec2-user", *, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return run("ssh", "-i", str(self.key), f"{user}@{self.address}", command, stdin=stdin)

    def scp(self, source: str, target: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run("scp", "-i", str(self.key), *options, source, target)


def launch(cloud: Cloud, key: Path, user_data: str = "") -> Instance:
    launched = cloud.launch(KeyName=key.parent.name, UserData=user_data)
    address = launched["PublicIpAddress"]
    return Instance(cloud=cloud, key=key, id=launched["InstanceId"], address=address)


@pytest.fixture
def instance(cloud: Cloud, key: Path) -> Instance:
    return launch(cloud, key)


def test_a_command_gets_input_and_gives_output_and_exit_status(instance: Instance) -> None:
    said = instance.ssh('cat; echo "$INSTANCE_ID" >&2; exit 7', stdin="hello\n")
    assert (said.stdout, said.stderr, said.returncode) == ("hello\n", f"{instance.id}\n", 7)


def test_each_instance_answers_at_its_own_address_though_all_have_one_key(
    cloud: Cloud, key: Path, instance: Instance
) -> None:
    other = launch(cloud, key)
    assert instance.ssh("echo $INSTANCE_ID").stdout.strip() == instance.id
    assert other.ssh("echo $INSTANCE_ID").stdout.strip() == other.id


def test_a_template_can_wait_for_the_end_of_user_data(cloud: Cloud, key: Path) -> None:
    instance = launch(cloud, key, "#!/bin/sh\nsleep 0.5; echo ready >/opt/ready\n")
    said = instance.ssh("cloud-init status --wait && cat /opt/ready; cloud-init status")
    assert said.stdout == "status: done\nready\nstatus: done\n"
    assert instance.ssh("ls /var/lib/cloud/instance").stdout == "boot-finished\n"
    other = instance.ssh("cloud-init clean")
    assert (other.returncode, other.stderr) == (
        1,
        "the local cloud answers cloud-init status and status --wait only\n",
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-s"], id="by sftp"),
        pytest.param(["-O"], id="by the old protocol", marks=pytest.mark.long),
    ],
)
def test_scp_copies_both_ways_and_exits_with_zero(
    instance: Instance, tmp_path: Path, options: list[str]
) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_text("content\n")
    sent.chmod(0o754)
    there = f"ec2-user@{instance.address}:sent"
    assert instance.scp(str(sent), there, *options).returncode == 0
    assert instance.ssh("stat -c '%a %n' /home/ec2-user/sent").stdout == "754 /home/ec2-user/sent\n"
    assert instance.scp(there, str(got), *options).returncode == 0
    assert got.read_text() == "content\n"
    assert instance.scp(there + "-not", str(got), *options).returncode != 0


@pytest.mark.parametrize(
    ("user", "home"),
    [
        ("ec2-user", "/home/ec2-user"),
        pytest.param("fedora", "/home/fedora", marks=pytest.mark.long),
        pytest.param("root", "/root", marks=pytest.mark.long),
    ],
)
def test_the_user_who_logs_in_has_a_home(instance: Instance, user: str, home: str) -> None:
    said = instance.ssh(f'pwd; echo "$HOME" ~{user} "$USER" "$LOGNAME"; touch seen', user)
    assert said.stdout == f"{home}\n{home} {home} {user} {user}\n"
    assert instance.ssh(f"ls {home}", user).stdout == "seen\n"


@pytest.mark.long
def test_a_shared_connection_ends_with_its_instance_and_spoils_no_other(
    cloud: Cloud, key: Path, instance: Instance, tmp_path: Path
) -> None:
    kept = ["-o", "ControlMaster=auto", "-o", f"ControlPath={tmp_path}/%h", "-o"]
    shared = ["-i", str(key), *kept, "ControlPersist=60s"]
    other = launch(cloud, key)
    for each in (instance, other):
        where = f"ec2-user@{each.address}"
        assert run("ssh", *shared, where, "echo $INSTANCE_ID").stdout.strip() == each.id
    sockets = {each.name for each in tmp_path.iterdir() if each.is_socket()}
    assert sockets == {instance.address, other.address}
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance.id, other.id])
    eventually(lambda: not any(each.is_socket() for each in tmp_path.iterdir()))


READ = """
import os, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), os.environ["AWS_CA_BUNDLE"])
"""


def test_a_program_of_an_instance_reaches_the_host_names_of_aws(
    cloud: Cloud, instance: Instance
) -> None:
    s3 = cloud.aws("s3")
    s3.create_bucket(Bucket="seen-inside")
    s3.put_object(Bucket="seen-inside", Key="a", Body=b"content", ACL="public-read")
    said = instance.ssh("python3 - https://seen-inside.s3.amazonaws.com/a", stdin=READ)
    assert said.stdout == "content /run/local-cloud/authority.pem\n", said.stderr
    assert (cloud.home.instances / instance.id / "root/run/local-cloud/authority.pem").is_file()


@pytest.mark.long
def test_large_output_arrives_whole(instance: Instance) -> None:
    assert len(instance.ssh("head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000


@pytest.mark.long
def test_what_runs_in_the_background_survives_the_session_and_not_the_instance(
    cloud: Cloud, instance: Instance
) -> None:
    assert instance.ssh("nohup sleep 1234 >/dev/null & echo started").stdout == "started\n"
    assert instance.ssh("pgrep -x sleep | wc -l").stdout.strip() == "1"
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance.id])
    eventually(lambda: not (cloud.home.instances / instance.id).exists())
    assert subprocess.run(["pgrep", "-fx", "sleep 1234"], check=False).returncode == 1  # noqa: S607  the same


@pytest.mark.long
def test_an_instance_sees_its_own_files_and_processes_and_not_the_hosts(
    instance: Instance,
) -> None:
    ssh = instance.ssh
    assert ssh("ls /home").stdout.split() == ["ec2-user", "ubuntu"]
    assert str(Path(__file__).parent) not in ssh(f"ls -d {Path(__file__).parent}").stdout
    assert ssh("touch /usr/bin/x").returncode != 0
    assert ssh("ls /proc | grep -cE '^[0-9]+$'").stdout.strip() < "9"
    assert ssh("ip link add dummy9 type dummy").returncode != 0


@pytest.mark.long
def test_sudo_and_systemctl_work(instance: Instance) -> None:
    ssh = instance.ssh
    assert ssh("A=1 sudo -E -u root B=2 sh -c 'echo $A $B'").stdout == "1 2\n"
    unit = "[Service]\\nExecStart=/bin/sleep 99\\n[Install]\\nWantedBy=multi-user.target\\n"
    write = f"printf '{unit}' | sudo tee /etc/systemd/system/nap.service >/dev/null"
    said = ssh(f"{write} && sudo systemctl enable --now nap && systemctl is-active nap")
    assert said.stdout.splitlines()[-1] == "active"
    assert ssh("systemctl is-enabled nap").stdout == "enabled\n"
    stopped = ssh("systemctl stop nap; systemctl is-active nap")
    assert (stopped.stdout, stopped.returncode) == ("inactive\n", 3)
    assert ssh("systemctl start missing").returncode == 5


def test_the_first_missing_package_manager_is_explained(cloud: Cloud, instance: Instance) -> None:
    first, second = (instance.ssh("yum install -y nginx") for _ in range(2))
    assert first.returncode == 127
    assert f"{PROGRAM} up --rootfs debian.tar" in first.stderr
    assert "--rootfs" not in second.stderr
    eventually(lambda: cloud.console(instance.id).count("up --rootfs debian.tar") == 1)


def test_a_key_of_another_instance_is_refused(cloud: Cloud, instance: Instance) -> None:
    keyless = cloud.launch()["PublicIpAddress"]
    said = run("ssh", "-i", str(instance.key), f"ec2-user@{keyless}", "true")
    assert (said.returncode, "Permission denied" in said.stderr) == (255, True)


@pytest.mark.parametrize("user", ["ec2-user", " ec2-user ", ""])
def test_a_login_without_a_key_is_refused(instance: Instance, user: str) -> None:
    said = run("ssh", "-o", "IdentityFile=none", "-l", user, instance.address, "true")
    assert said.returncode == 255
    assert "denied" in said.stderr or "username" in said.stderr


@pytest.mark.parametrize("user", ["../root", "A", "x:y"])
def test_a_user_that_cannot_exist_is_refused(instance: Instance, user: str) -> None:
    assert "denied" in instance.ssh("true", user).stderr
