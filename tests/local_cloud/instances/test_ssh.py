"""SSH into instances with OpenSSH's own client."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running_cloud import Cloud

    Ssh = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS = [
    "-F",
    "none",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "BatchMode=yes",
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "LogLevel=ERROR",
]


@pytest.fixture
def key(cloud: Cloud, tmp_path: Path) -> Path:
    made = cloud.aws("ec2").create_key_pair(KeyName=tmp_path.name, KeyType="ed25519")
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(made["KeyMaterial"])
    return path


@pytest.fixture
def ssh(cloud: Cloud, key: Path) -> Ssh:
    def run(
        command: str, user: str = "ec2-user", *, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        where = ["-i", str(key), "-p", str(cloud.state.ssh_port), f"{user}@127.0.0.1"]
        return subprocess.run(
            ["ssh", *OPTIONS, *where, command],  # noqa: S607  as a user's shell finds it
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            input=stdin,
        )

    return run


def launch(cloud: Cloud, key: Path) -> str:
    return str(cloud.launch(KeyName=key.parent.name)["InstanceId"])


def test_a_command_gets_input_and_gives_output_and_exit_status(
    cloud: Cloud, key: Path, ssh: Ssh
) -> None:
    instance = launch(cloud, key)
    said = ssh('cat; echo "$INSTANCE_ID" >&2; exit 7', stdin="hello\n")
    assert (said.stdout, said.stderr, said.returncode) == ("hello\n", f"{instance}\n", 7)


@pytest.mark.long
def test_large_output_arrives_whole(cloud: Cloud, key: Path, ssh: Ssh) -> None:
    launch(cloud, key)
    assert len(ssh("head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000


@pytest.mark.long
def test_what_runs_in_the_background_survives_the_session_and_not_the_instance(
    cloud: Cloud, key: Path, ssh: Ssh
) -> None:
    instance = launch(cloud, key)
    assert ssh("nohup sleep 1234 >/dev/null & echo started").stdout == "started\n"
    assert ssh("pgrep -x sleep | wc -l").stdout.strip() == "1"
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance])
    eventually(lambda: not (cloud.home.instances / instance).exists())
    assert subprocess.run(["pgrep", "-fx", "sleep 1234"], check=False).returncode == 1  # noqa: S607  the same


@pytest.mark.long
def test_an_instance_sees_its_own_files_and_processes_and_not_the_hosts(
    cloud: Cloud, key: Path, ssh: Ssh
) -> None:
    launch(cloud, key)
    assert ssh("ls /home").stdout.split() == ["ec2-user", "ubuntu"]
    assert str(Path(__file__).parent) not in ssh(f"ls -d {Path(__file__).parent}").stdout
    assert ssh("touch /usr/bin/x").returncode != 0
    assert ssh("ls /proc | grep -cE '^[0-9]+$'").stdout.strip() < "9"
    assert ssh("ip link add dummy9 type dummy").returncode != 0


@pytest.mark.long
def test_sudo_and_systemctl_work(cloud: Cloud, key: Path, ssh: Ssh) -> None:
    launch(cloud, key)
    assert ssh("A=1 sudo -E -u root B=2 sh -c 'echo $A $B'").stdout == "1 2\n"
    unit = "[Service]\\nExecStart=/bin/sleep 99\\n[Install]\\nWantedBy=multi-user.target\\n"
    write = f"printf '{unit}' | sudo tee /etc/systemd/system/nap.service >/dev/null"
    said = ssh(f"{write} && sudo systemctl enable --now nap && systemctl is-active nap")
    assert said.stdout.splitlines()[-1] == "active"
    assert ssh("systemctl is-enabled nap").stdout == "enabled\n"
    stopped = ssh("systemctl stop nap; systemctl is-active nap")
    assert (stopped.stdout, stopped.returncode) == ("inactive\n", 3)
    assert ssh("systemctl start missing").returncode == 5


@pytest.mark.long
def test_the_user_name_selects_among_instances_with_one_key(
    cloud: Cloud, key: Path, ssh: Ssh
) -> None:
    first, second = launch(cloud, key), launch(cloud, key)
    assert "Permission denied" in ssh("true").stderr
    assert ssh("echo $INSTANCE_ID", first).stdout.strip() == first
    assert ssh("echo $INSTANCE_ID", second).stdout.strip() == second


def test_a_key_that_no_instance_has_is_refused(ssh: Ssh) -> None:
    assert "Permission denied" in ssh("true").stderr


@pytest.mark.parametrize("user", ["ec2-user", " ec2-user ", ""])
def test_a_login_without_a_key_is_refused(cloud: Cloud, user: str) -> None:
    where = ["-o", "IdentityFile=none", "-p", str(cloud.state.ssh_port), "-l", user, "127.0.0.1"]
    said = subprocess.run(
        ["ssh", *OPTIONS, *where, "true"],  # noqa: S607  as a user's shell finds it
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert said.returncode == 255
    assert "denied" in said.stderr or "username" in said.stderr
