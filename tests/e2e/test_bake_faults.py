"""Each way a bake can fail: its exit code, its three-part error, and no leftovers in the cloud."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import running_cloud
from tests.e2e.matrix import child_of
from tests.e2e.project import (
    NOTHING,
    CommandResult,
    Project,
    alive,
    finish,
    interrupt,
    kill_tree,
    new_project,
    wait_for,
)
from tests.running_cloud import Cloud, eventually

INSTALL = "packer/provision/install.sh"
PROVISIONING = "Provisioning with shell script"


def check(result: CommandResult, code: int, *words: str) -> None:
    """Check the exit code, and that there is one error of three parts that contains these words."""
    assert result.code == code, result.err
    error = result.document["error"]
    assert error["exit_code"] == code
    assert error["where"]
    assert error["what"]
    assert error["next"]
    assert "Traceback" not in result.err
    text = json.dumps(error)
    for word in words:
        assert word in text, text


@pytest.mark.long
def test_the_error_of_a_failed_provisioner_shows_its_last_lines(project: Project) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\necho the disk is on fire >&2\nexit 7")
    result = project.bake()
    check(result, 4, "amazon-ebs.app", "the disk is on fire", "exit status: 7", "full log: ")
    assert project.left_in_cloud() == NOTHING
    assert not (project.folder / "ami.auto.tfvars.json").exists()


@pytest.mark.long
def test_ssh_that_never_responds_ends_with_a_remedy(project: Project) -> None:
    project.edit("packer/app.pkr.hcl", 'ssh_timeout  = "5m"', 'ssh_timeout = "3s"\n  ssh_port = 1')
    check(project.bake(), 4, "Timeout waiting for SSH", "ssh_username")
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_a_bake_that_exceeds_its_timeout_is_ended_and_cleaned_up(project: Project) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    project.edit("pipeline.toml", "[bake]\n", '[bake]\ntimeout = "4s"\ncancel_grace = "20s"\n')
    check(project.bake(), 4, "stopped at its timeout of 4s", "raise [bake] timeout")
    assert alive(str(project.folder)) == []
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_a_used_image_name_is_reported(project: Project) -> None:
    project.edit("packer/app.pkr.hcl", "ami_name        = var.ami_name", 'ami_name = "taken"')
    good = project.bake("1.0.0")
    assert good.code == 0, good.err
    check(project.bake("1.1.0"), 4, "is used by an existing AMI", "deregister")
    assert project.left_in_cloud() == {**NOTHING, "images": [good.document["ami_id"]]}


@pytest.mark.long
def test_a_missing_source_image_is_refused(project: Project) -> None:
    project.edit("pipeline.toml", "al2023-ami-2023.*-kernel-6.1-x86_64", "no-such-*")
    check(project.bake(), 3, "137112412989 has no such image", "aws ec2 describe-images")
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_a_source_image_of_another_architecture_is_ec2s_error(project: Project) -> None:
    project.edit("pipeline.toml", "kernel-6.1-x86_64", "kernel-6.1-arm64")
    what = "The architecture 'x86_64' of the specified instance type does not match"
    check(project.bake(), 4, what, "or change instance_type")
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_an_unreachable_endpoint_is_refused(project: Project) -> None:
    project.extra = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    check(project.bake(), 3, "Could not connect", "AWS_ENDPOINT_URL")


@pytest.mark.long
def test_missing_credentials_are_refused(project: Project) -> None:
    project.extra = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    check(project.bake(), 3, "credentials", "aws sts get-caller-identity")


def test_a_missing_packer_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    project.extra = {"PATH": str(tmp_path / "bin")}
    check(project.bake(), 3, "no packer on PATH", "install it")


@pytest.mark.long
def test_another_program_called_packer_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    other = tmp_path / "bin/packer"
    other.write_text("#!/bin/sh\ncat >/dev/null\necho '0 0'\n")
    other.chmod(0o755)
    project.extra = {"PATH": f"{other.parent}:{os.environ['PATH']}"}
    check(project.bake(), 3, "packer version", "HashiCorp Packer")


@pytest.mark.long
def test_a_template_that_packer_does_not_accept_is_a_usage_error(project: Project) -> None:
    project.edit("packer/app.pkr.hcl", "communicator = ", "comunicator = ")
    check(project.bake(), 2, "comunicator", "packer validate")


@pytest.mark.long
def test_a_template_that_does_not_parse_is_a_usage_error(project: Project) -> None:
    (project.folder / "packer/app.pkr.hcl").write_text("source {")
    check(project.bake(), 2, "packer inspect", "app.pkr.hcl")


@pytest.mark.long
def test_a_variable_that_the_template_does_not_declare_is_a_usage_error(project: Project) -> None:
    project.edit("pipeline.toml", "port = 8080", "prot = 8080")
    check(project.bake(), 2, "prot", "did you mean port")


@pytest.mark.long
def test_a_missing_template_is_a_usage_error(project: Project) -> None:
    project.edit("pipeline.toml", "packer/app.pkr.hcl", "packer/none.pkr.hcl")
    check(project.bake(), 2, "none.pkr.hcl")


@pytest.mark.long
def test_an_ami_that_does_not_become_available_is_deleted(tmp_path: Path) -> None:
    with running_cloud.a_cloud(tmp_path / "cloud", speed=4) as slow:
        project = new_project(tmp_path / "project", slow)
        project.extra = {"AWS_POLL_DELAY_SECONDS": "1", "AWS_MAX_ATTEMPTS": "4"}
        check(
            project.bake(), 4, "Error waiting for AMI", "aws_polling max_attempts", "removed: ami-"
        )
        assert project.left_in_cloud() == NOTHING


LATE = [pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGINT, signal.SIGHUP)]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, *LATE])
def test_a_signal_to_the_tool_alone_ends_everything(
    project: Project, number: signal.Signals
) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    process = project.start("--output", "json", "bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    began = time.monotonic()
    result = interrupt(process, number)
    check(result, 130, "interrupted")
    assert time.monotonic() - began < 7.5  # then GitHub sends SIGTERM
    assert alive(str(project.folder)) == []
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_ctrl_c_in_a_terminal_ends_everything(project: Project) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            "/usr/bin/setsid",
            "--ctty",
            "--wait",
            sys.executable,
            "-m",
            "pipeline",
            "bake",
            "--version",
            "1.0.0",
        ],
        cwd=project.folder,
        env={**project.env, "TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = _read_until(terminal, PROVISIONING)
    os.write(terminal, b"\x03")
    screen += _read_until(terminal, "next: ")
    assert process.wait(timeout=60) == 130
    os.close(terminal)
    assert "packer was stopped after" in screen
    assert "interrupted by a signal" in screen
    assert project.left_in_cloud() == NOTHING


def _read_until(terminal: int, text: str) -> str:
    screen = ""
    deadline = time.monotonic() + 60
    while text not in screen:
        assert time.monotonic() < deadline, screen
        if select.select([terminal], [], [], 1)[0]:
            try:
                screen += os.read(terminal, 65536).decode("utf-8", "replace")
            except OSError:  # how Linux reports a closed terminal
                assert text in screen, screen
    return screen


@pytest.mark.long
def test_packer_cleans_up_by_itself_after_the_tool_is_killed(project: Project) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    process = project.start("bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    assert project.left_in_cloud()["instances"]
    began = time.monotonic()
    process.kill()
    finish(process)
    eventually(lambda: project.left_in_cloud() == NOTHING)
    eventually(lambda: alive(str(project.folder)) == [])
    assert time.monotonic() - began < 10.0


@pytest.mark.long
def test_the_next_bake_cleans_up_after_a_tool_that_was_killed_with_its_packer(
    project: Project,
) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    process = project.start("bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    # As when the machine stops: the process group contains the supervisor, too.
    os.killpg(child_of(process.pid, b"packer"), signal.SIGKILL)
    process.kill()
    finish(process)
    assert project.left_in_cloud()["instances"]
    project.edit(INSTALL, "set -eu\nsleep 60", "set -eu")
    result = project.bake()
    assert result.code == 0, result.err
    assert "cleaned up after the interrupted bake" in result.err
    assert project.left_in_cloud() == {**NOTHING, "images": [result.document["ami_id"]]}


@pytest.mark.long
@pytest.mark.parametrize("moment", [PROVISIONING, "Waiting for AMI"])
def test_the_next_bake_cleans_up_after_a_bake_whose_machine_died(
    project: Project, cloud: Cloud, moment: str
) -> None:
    """Packer dies as well, so no process cleans up."""
    earlier = project.bake("0.9.0").document["ami_id"]
    install = (project.folder / INSTALL).read_text()
    pause = "sleep 60" if moment is PROVISIONING else "sleep 1"
    project.edit(INSTALL, "set -eu", f"set -eu\n{pause}")
    process = project.start("bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    if moment is not PROVISIONING:
        cloud.fault(service="ec2", action="DescribeImages", kind="delay", seconds=3, times=1)
        wait_for(process, moment)
    kill_tree(process.pid)
    finish(process)
    cloud.client.clear_faults()
    left = project.left_in_cloud()
    assert all(left[kind] for kind in ("instances", "keys", "groups"))
    assert len(left["images"]) == (1 if moment is PROVISIONING else 2)
    # No input changed since the good image was baked, but the leftovers are deleted all the same.
    (project.folder / INSTALL).write_text(install)
    result = project.bake("0.9.0")
    assert result.code == 0, result.err
    assert (result.document["origin"], result.document["ami_id"]) == ("unchanged", earlier)
    kept = project.left_in_cloud()
    assert earlier in kept["images"]
    assert kept == {**NOTHING, "images": kept["images"]}


@pytest.mark.long
def test_the_image_of_a_cancelled_bake_is_removed_although_aws_has_completed_it(
    project: Project, cloud: Cloud
) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 1")
    process = project.start("--output", "json", "bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    # Packer is ended while it waits for the AMI, which is available by then.
    cloud.fault(service="ec2", action="DescribeImages", kind="delay", seconds=3, times=1)
    wait_for(process, "Waiting for AMI")
    result = interrupt(process, signal.SIGTERM)
    check(result, 130, "removed: ", "ami-")
    assert project.left_in_cloud() == NOTHING
    assert project.bake("1.0.0").document["origin"] == "baked"


@pytest.mark.long
def test_a_full_disk_under_the_log_ends_the_bake_and_leaves_nothing(project: Project) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nseq 1 200000")
    logs = project.folder / ".ami-pipeline/logs"
    logs.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size=64k none {logs} && exec "$@"'
    wrap = ("unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh")
    result = project.run("--output", "json", "bake", "--version", "1.0.0", wrap=wrap)
    check(result, 4, "No space left on device", "free disk space")
    assert project.left_in_cloud() == NOTHING


@pytest.mark.long
def test_leftovers_that_cannot_be_deleted_are_reported_and_deleted_by_the_next_bake(
    project: Project, cloud: Cloud
) -> None:
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 60")
    project.edit("pipeline.toml", "[bake]\n", '[bake]\ncancel_grace = "1s"\n')
    process = project.start("--output", "json", "bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    cloud.fault(service="ec2", action="TerminateInstances", kind="error-before", times=20)
    result = interrupt(process, signal.SIGTERM)
    check(result, 5, "retry, which cleans up first: ami-pipeline bake")
    cloud.client.clear_faults()
    project.edit(INSTALL, "set -eu\nsleep 60", "set -eu")
    result = project.bake()
    assert result.code == 0, result.err
    assert project.left_in_cloud() == {**NOTHING, "images": [result.document["ami_id"]]}


@pytest.mark.long
def test_throttling_is_retried_until_it_ends(project: Project, cloud: Cloud) -> None:
    cloud.fault(service="ec2", action="DescribeImages", kind="throttle", times=2)
    result = project.bake()
    assert result.code == 0, result.err


@pytest.mark.long
def test_a_tag_call_that_fails_after_its_effect_is_repeated(project: Project, cloud: Cloud) -> None:
    project.edit("packer/app.pkr.hcl", "  tags            = var.tags\n", "")
    project.edit("packer/app.pkr.hcl", "  snapshot_tags   = var.tags\n", "")
    project.edit(INSTALL, "set -eu", "set -eu\nsleep 1")
    process = project.start("--output", "json", "bake", "--version", "1.0.0")
    wait_for(process, PROVISIONING)
    cloud.fault(service="ec2", action="CreateTags", kind="error-after", times=1)
    result = finish(process)
    assert result.code == 0, result.err
    assert cloud.client.faults() == []
    image = cloud.aws("ec2").describe_images(ImageIds=[result.document["ami_id"]])["Images"][0]
    assert {"Key": "ami-pipeline:status", "Value": "good"} in image["Tags"]
