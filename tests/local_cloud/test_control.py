"""Test up, down, status and env, and the cleanup after a killed cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from local_cloud import __main__ as program
from local_cloud import control
from local_cloud.clock import Delays
from local_cloud.errors import RefusedError
from local_cloud.instances import processes, reaper
from local_cloud.state_dir import MARKER, StateDir, default_home
from pipeline.cli.local_cloud import local_cloud
from pipeline.core import errors
from tests import running_cloud
from tests.running_cloud import Cloud, eventually

OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in ("user-namespaces", "plain")]
SERVICE = "#!/bin/sh\n(setsid sleep 4321 &)\necho launched; exec sleep 4321\n"


def belongs(home: StateDir) -> list[int]:
    marker = f"{MARKER}={home.path}"
    return processes.matching(lambda pid: processes.has_entry(pid, marker))


def mounts(home: StateDir) -> list[str]:
    return reaper.mounts_below(home.path, Path("/proc/self/mountinfo").read_text())


def started(folder: Path, isolation: str) -> Cloud:
    """Start a cloud as a user does, not forked from the fork server."""
    home = StateDir(path=folder.resolve())
    return Cloud(home=home, state=control.up(home, port=0, isolation=isolation, speed=1000))


def run_an_instance(cloud: Cloud) -> None:
    instance = cloud.launch(UserData=SERVICE)["InstanceId"]
    eventually(lambda: "launched" in cloud.console(instance))
    assert belongs(cloud.home)


@pytest.mark.parametrize("isolation", ["auto", *OTHERS])
def test_down_leaves_no_process_mount_or_file(tmp_path: Path, isolation: str) -> None:
    cloud = started(tmp_path / "cloud", isolation)
    run_an_instance(cloud)
    assert control.down(cloud.home)
    assert belongs(cloud.home) == []
    assert mounts(cloud.home) == []
    assert list(tmp_path.iterdir()) == []
    assert not control.down(cloud.home)


@pytest.mark.long
@pytest.mark.parametrize("isolation", ["auto", OTHERS[1]])
def test_the_next_up_cleans_up_after_a_killed_cloud(tmp_path: Path, isolation: str) -> None:
    killed = started(tmp_path / "cloud", isolation)
    run_an_instance(killed)
    (old,) = killed.home.instances.iterdir()
    os.kill(killed.state.pid, signal.SIGKILL)
    eventually(lambda: not killed.home.is_locked())
    with running_cloud.a_cloud(tmp_path / "cloud", isolation=isolation) as cloud:
        assert belongs(cloud.home) == []
        assert not old.exists()
        assert cloud.state.pid != killed.state.pid
        assert cloud.aws("ec2").describe_instances()["Reservations"] == []


def test_delays_are_named_in_seconds() -> None:
    assert Delays.named(["boot=30", "stop-grace=0", "call=0.08"]) == Delays(
        boot=30, stop_grace=0, call=0.08
    )


@pytest.mark.parametrize("given", ["lunch=30", "boot", "boot=", "boot=-1", "boot=inf", "boot=nan"])
def test_an_invalid_delay_is_a_usage_error(given: str) -> None:
    done = CliRunner().invoke(local_cloud, ["up", "--delay", given])
    assert done.exit_code == 2
    assert f"'{given}'" in done.output


def test_an_invalid_consistency_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(local_cloud, ["up", "--consistency", "eventual:soon"])
    assert done.exit_code == 2
    assert "'eventual:soon' is not strong, eventual or eventual:SECONDS" in done.output
    with pytest.raises(SystemExit, match="2"):
        program.main(["up", "--consistency", "weak"])
    assert "'weak' is not strong, eventual or eventual:SECONDS" in capsys.readouterr().err


def test_consistency_and_seed_reach_the_cloud(tmp_path: Path) -> None:
    argv = control.command(StateDir(path=tmp_path), consistency="eventual:5", seed=7)
    assert {"--consistency=eventual:5", "--seed=7"} <= set(argv)


def test_named_delays_reach_the_cloud(tmp_path: Path) -> None:
    argv = control.command(
        StateDir(path=tmp_path), port=0, ssh_port=0, speed=1, isolation="auto", delay=["boot=30"]
    )
    assert "--delay=boot=30" in argv


def test_a_second_up_is_refused_as_already_running(cloud: Cloud) -> None:
    with pytest.raises(RefusedError, match=f"is already running: process {cloud.state.pid}"):
        control.up(cloud.home, port=0)


@pytest.mark.long
def test_of_two_simultaneous_starts_one_runs_and_one_is_refused(tmp_path: Path) -> None:
    home = StateDir(path=tmp_path / "cloud")
    argv = control.command(home, port=0, ssh_port=0, speed=1000, isolation="auto")
    both = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    lines = [json.loads(p.stdout.readline()) for p in both if p.stdout]
    assert sorted(key for line in lines for key in line) == ["refused", "state"]
    control.down(home)
    codes = [p.wait(timeout=20) for p in both]
    assert sorted(codes) == [0, 3]
    for process in both:
        process.communicate()


@pytest.mark.long
def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=f"127.0.0.1:{port}: Address already in use"):
            control.up(StateDir(path=tmp_path / "cloud"), port=port)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_two_clouds_have_different_networks(cloud: Cloud, tmp_path: Path) -> None:
    with running_cloud.a_cloud(tmp_path / "other") as other:
        assert other.state.network != cloud.state.network
        assert other.state.port != cloud.state.port


def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        control.check_prerequisites(StateDir(path=tmp_path), needed=("json", "no_such_library"))
    assert refused.value.what == "not installed: no_such_library"
    assert refused.value.remedy == "pip install 'ami-pipeline[local-cloud]'"


@pytest.mark.long
def test_nothing_but_loopback_is_bound(cloud: Cloud) -> None:
    run_an_instance(cloud)
    inodes = set()
    for descriptor in Path(f"/proc/{cloud.state.pid}/fd").iterdir():
        target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
        inodes.add(target.removeprefix("socket:[").rstrip("]"))
    bound = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                bound.append(words[1])
    assert bound
    # The kernel prints an IPv4 address as a little-endian number: 127 comes last.
    assert [address for address in bound if address.split(":")[0][-2:] != "7F"] == []


@pytest.mark.long
def test_ctrl_c_stops_a_cloud_in_the_foreground_and_cleans_up(tmp_path: Path) -> None:
    home = tmp_path / "cloud"
    code = "from pipeline.cli.local_cloud import local_cloud; local_cloud()"
    argv = [sys.executable, "-c", code, "up", "--foreground", "--port", "0"]
    environment = {**os.environ, "AMI_PIPELINE_LOCAL_CLOUD_HOME": str(home)}
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert b"state" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert not home.exists()


def invoke(cloud_home: Path, *arguments: str, output: str = "text") -> tuple[int, str]:
    environment = {"AMI_PIPELINE_LOCAL_CLOUD_HOME": str(cloud_home)}
    context = SimpleNamespace(output=output)
    result = CliRunner().invoke(local_cloud, list(arguments), env=environment, obj=context)
    return result.exit_code, result.stdout


def test_status_shows_the_addresses_and_the_calls(cloud: Cloud) -> None:
    cloud.aws("ec2").describe_vpcs()
    code, text = invoke(cloud.home.path, "status")
    assert code == 0
    instances = f"instances in {cloud.state.network} (SSH on port {cloud.state.ssh_port})"
    assert f"API and proxy {cloud.endpoint}, {instances}" in text
    assert "DescribeVpcs" in text
    document = json.loads(invoke(cloud.home.path, "status", output="json")[1])
    assert document["running"] is True
    assert document["port"] == cloud.state.port
    assert any(call["action"] == "DescribeVpcs" for call in document["calls"])


def test_status_shows_the_url_of_each_listener(cloud: Cloud) -> None:
    elb = cloud.aws("elb")
    ports = {"LoadBalancerPort": 8089, "InstancePort": 8080}
    made = elb.create_load_balancer(
        LoadBalancerName="shown",
        Listeners=[{"Protocol": "HTTP", **ports}],
        AvailabilityZones=["us-east-1a"],
    )
    url = f"http://{made['DNSName']}:8089"
    try:
        eventually(lambda: any(b["url"] == url for b in cloud.client.balancers()))
        text = invoke(cloud.home.path, "status")[1]
        document = json.loads(invoke(cloud.home.path, "status", output="json")[1])
    finally:
        elb.delete_load_balancer(LoadBalancerName="shown")
    assert f"classic        shown                                    {url}\n" in text
    shown = {"name": "shown", "kind": "classic", "protocol": "HTTP", "port": 8089, "url": url}
    assert shown in document["balancers"]


def test_status_and_down_say_that_no_cloud_is_running(tmp_path: Path) -> None:
    assert invoke(tmp_path / "none", "status") == (0, "The local cloud is not running.\n")
    assert invoke(tmp_path / "none", "down") == (0, "The local cloud is not running.\n")


def test_env_prints_exports_that_a_shell_can_evaluate(cloud: Cloud) -> None:
    _, text = invoke(cloud.home.path, "env")
    script = f'{text}\necho "$AWS_ENDPOINT_URL $HTTPS_PROXY ${{AWS_PROFILE-unset}}"'
    done = subprocess.run(  # noqa: S602  as a user's shell does
        script, shell=True, check=True, capture_output=True, env={"AWS_PROFILE": "prod"}, text=True
    )
    assert done.stdout == f"{cloud.endpoint} {cloud.endpoint} unset\n"
    document = json.loads(invoke(cloud.home.path, "env", output="json")[1])
    assert document["AWS_ENDPOINT_URL"] == cloud.endpoint


def test_image_add_publishes_an_image_until_the_cloud_stops(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--owner", "210987654321", "--name", "acme-cli-20260901"]
    code, text = invoke(cloud.home.path, "image", "add", *named, "--arch", "arm64")
    said = "Added acme-cli-20260901 (arm64) of 210987654321, in every region."
    assert (code, text.splitlines()[0]) == (0, said)
    monkeypatch.setenv("AMI_PIPELINE_LOCAL_CLOUD_HOME", str(cloud.home.path))
    assert program.main(["--output", "json", "image", "add", *named, "--arch", "arm64"]) == 0
    added = json.loads(capsys.readouterr().out)
    assert text.splitlines()[1] == f"{added['image']} in us-east-1"
    (found,) = cloud.aws("ec2").describe_images(ImageIds=[added["image"]])["Images"]
    assert (found["OwnerId"], found["Name"]) == (added["owner"], added["name"])


def test_an_image_that_cannot_exist_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["image", "add", "--owner", "acme", "--name", "acme-base"]
    assert invoke(tmp_path, *wrong)[0] == 2
    with pytest.raises(SystemExit, match="2"):
        program.main(wrong)
    assert "'acme' is neither an account of 12 digits nor amazon," in capsys.readouterr().err


def test_env_without_a_cloud_is_refused(tmp_path: Path) -> None:
    runner = CliRunner()
    environment = {"AMI_PIPELINE_LOCAL_CLOUD_HOME": str(tmp_path)}
    result = runner.invoke(local_cloud, ["env"], env=environment)
    assert isinstance(result.exception, errors.RefusedError)
    assert result.exception.remedy == "ami-pipeline local-cloud up"


def alone(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m local_cloud`, without ami-pipeline."""
    blocked = "import sys; sys.modules['pipeline'] = None; "
    code = f"{blocked}from local_cloud.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "AMI_PIPELINE_LOCAL_CLOUD_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_alone_shows_status_and_env(cloud: Cloud) -> None:
    shown = alone(cloud.home.path, "status")
    assert shown.stdout.startswith("The local cloud has been running since ")
    exported = alone(cloud.home.path, "--output", "json", "env")
    assert json.loads(exported.stdout)["AWS_ENDPOINT_URL"] == cloud.endpoint


def test_the_package_alone_names_itself_in_errors(tmp_path: Path) -> None:
    done = alone(tmp_path / "none", "env")
    where = f"local cloud in {tmp_path / 'none'}"
    expected = f"{where}: the local cloud is not running\nnext: python -m local_cloud up\n"
    assert (done.returncode, done.stderr) == (3, expected)
    assert alone(tmp_path / "none", "down").stdout == "The local cloud is not running.\n"


@pytest.mark.parametrize("wrong", ["--delay=lunch=30", "--speed=0", "--isolation=none"])
def test_the_package_alone_refuses_an_invalid_option(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["up", wrong])
    assert ended.value.code == 2
    assert wrong.partition("=")[0] in capsys.readouterr().err


def test_the_package_alone_reads_the_isolation_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMI_PIPELINE_LOCAL_CLOUD_ISOLATION", "none")
    with pytest.raises(SystemExit) as ended:
        program.main(["up"])
    assert ended.value.code == 2
    assert "argument --isolation: 'none' is not one of auto, " in capsys.readouterr().err
    monkeypatch.setenv("AMI_PIPELINE_LOCAL_CLOUD_ISOLATION", "")
    assert program.parser().parse_args(["up"]).isolation == "auto"


@pytest.mark.long
def test_the_package_alone_starts_and_stops_a_cloud(tmp_path: Path) -> None:
    home = tmp_path / "cloud"
    started = alone(home, "up", "--port", "0", "--speed", "1000")
    assert (started.returncode, started.stderr) == (0, "")
    assert 'eval "$(python -m local_cloud env)"' in started.stdout
    assert alone(home, "down").stdout == "The local cloud was stopped.\n"
    assert not home.exists()


def test_help_loads_no_server_library() -> None:
    code = (
        "import sys; from pipeline.cli.local_cloud import local_cloud\n"
        "try: local_cloud(['--help'])\n"
        "finally: print(sorted({'moto', 'aiohttp', 'asyncssh', 'flask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AMI_PIPELINE_LOCAL_CLOUD_HOME": "/a", "XDG_STATE_HOME": "/b"}, "/a"),
        ({"XDG_STATE_HOME": "/b"}, "/b/ami-pipeline/local-cloud"),
        ({}, "~/.local/state/ami-pipeline/local-cloud"),
    ],
)
def test_the_environment_sets_the_home(environ: dict[str, Any], expected: str) -> None:
    assert default_home(environ) == Path(expected).expanduser()


def test_a_home_with_foreign_files_is_refused_and_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "photos").mkdir()
    (tmp_path / "images").mkdir()
    home = StateDir(path=tmp_path)
    with pytest.raises(RefusedError, match=r"no local cloud made: photos, thesis\.txt"):
        control.up(home, port=0)
    control.down(home)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["images", "photos", "thesis.txt"]
