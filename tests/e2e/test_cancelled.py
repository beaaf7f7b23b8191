"""Promotions that a CI runner cancels, with the runner's own sequence of signals.

GitHub sends SIGINT to the process of the step only, SIGTERM 7.5 s later, and SIGKILL after 2.5 s
more (docs.github.com, "Workflow cancellation reference"; actions/runner, ProcessInvoker.cs). At the
end of the job it sends SIGKILL to all processes with its RUNNER_TRACKING_ID in their environment
(actions/runner#4601). The process of the step is bash, which forwards no signals unless the script
says `exec`.

GitLab's shell executor sends SIGTERM to the process group and SIGKILL ten seconds later
(gitlab-runner!1770, !3906).

The image is not baked and serves nothing, and Terraform is the stand-in: the tests check processes
and the state they leave.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import running_cloud
from tests.e2e.site import LONGEST, Site, state_with
from tests.e2e.testbed import SPEED, CloudTestbed
from tests.running_cloud import eventually
from tests.standin.install import installed

TRACKING = "RUNNER_TRACKING_ID"
DURABLE = 0.5
"""Seconds after the first signal that reaches the tool until its state may be read."""
HOOK = {"at": "before-traffic", "command": ["sleep", "300"], "timeout": "10h"}
APPLYING, VERIFYING = "terraform: creating aws_autoscaling_group", "before-traffic hook sleep"
pytestmark = pytest.mark.timeout(LONGEST)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cancelled")
    with running_cloud.a_cloud(folder / "cloud", speed=SPEED) as cloud:
        image = _image(cloud)
        path = installed(folder / "bin", cloud.env["PATH"])
        ec2 = cloud.aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        guard = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        cloud.aws("iam").create_instance_profile(InstanceProfileName="web")
        made: dict[str, Any] = {"subnet_ids": [subnet], "public_subnet_ids": [subnet]}
        made |= {"security_group_ids": [guard], "instance_profile": "web"}
        testbed = CloudTestbed(
            cloud=cloud, folder=folder, path=path, made=made, old=image, new=image
        )
        yield testbed.site("cancelled", "classic")


def _image(cloud: running_cloud.Cloud) -> str:
    """Create an image from an instance that only boots; its tags make it acceptable."""
    ec2, instance = cloud.aws("ec2"), cloud.launch()["InstanceId"]
    tags = [{"Key": "ami-pipeline:app", "Value": "web"}]
    specification = [{"ResourceType": "image", "Tags": tags}]
    eventually(lambda: cloud.instance(instance)["State"]["Name"] == "running")
    image = ec2.create_image(InstanceId=instance, Name="web", TagSpecifications=specification)
    ec2.terminate_instances(InstanceIds=[instance])
    return str(image["ImageId"])


# --- a step of a job ------------------------------------------------------------------------------


class Step:
    """A running step of a job: `bash -e` with a script that promotes."""

    def __init__(self, site: Site, *, exec_: bool) -> None:
        self.id = f"github_{uuid.uuid4()}"
        script = site.project.folder / "step.sh"
        self.output = site.project.folder / "output.txt"
        words = [sys.executable, "-m", "pipeline", "promote", "-e", site.environment, "--yes"]
        line = " ".join([*words, "--image", site.testbed.new])
        script.write_text(f"set -u\n{'exec ' if exec_ else ''}{line}\n")
        with self.output.open("wb") as file:
            self.entry = subprocess.Popen(
                ["/bin/bash", "-e", str(script)],
                cwd=site.project.folder,
                env={**site.project.env, TRACKING: self.id},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._groups: set[int] = set()

    def until(self, text: str) -> None:
        """Wait until the output contains a text."""
        deadline = time.monotonic() + running_cloud.WITHIN
        while text not in (output := self.output.read_text()):
            assert time.monotonic() < deadline, output
            assert self.entry.poll() is None, output
            time.sleep(0.02)
        self.tracked()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the entry process alone."""
        self.entry.send_signal(number)

    def tell_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.entry.pid, number)

    def is_over(self, within: float) -> bool:
        """Wait for the entry process to exit, and note the processes that run meanwhile."""
        until = time.monotonic() + within
        while time.monotonic() < until and self.entry.poll() is None:
            self.tracked()
            time.sleep(0.1)
        return self.entry.poll() is not None

    def clean_up(self) -> None:
        """Kill the orphans, as GitHub's runner does at the end of a job."""
        for process in self.tracked():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def tracked(self) -> list[int]:
        """Return the processes with the job's ID in their environment; note their groups."""
        found = [each for each in _processes() if self.id in _environment(each)]
        for each in found:
            with suppress(ProcessLookupError):
                self._groups.add(os.getpgid(each))
        return found

    def left(self) -> list[int]:
        """Return all remaining processes of the job, including those without its environment."""
        with_id = self.tracked()
        return [each for each in _processes() if each in with_id or _group(each) in self._groups]


def _processes() -> Iterator[int]:
    return (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())


def _environment(process: int) -> str:
    try:
        return Path(f"/proc/{process}/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _group(process: int) -> int:
    """Return a process's group, or 0 for one that has exited."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return 0
    return 0 if state[0] == "Z" else int(state.split()[2])


# --- the sequences of signals ---------------------------------------------------------------------


def on_github(step: Step, first: Callable[[], None]) -> None:
    step.tell(signal.SIGINT)
    first()
    if not step.is_over(7.5 - DURABLE):
        step.tell(signal.SIGTERM)
        if not step.is_over(2.5):
            step.tell(signal.SIGKILL)
            step.entry.wait()
    step.clean_up()


def on_gitlab(step: Step, first: Callable[[], None]) -> None:
    step.tell_group(signal.SIGTERM)
    first()
    with suppress(AssertionError):  # bash may have exited while its output is still open
        eventually(lambda: not step.left(), within=10.0 - DURABLE)
    step.tell_group(signal.SIGKILL)
    step.entry.wait()


def rare(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("cancel", "exec_", "moment"),
    [
        (on_github, True, APPLYING),
        rare(on_github, True, VERIFYING),
        rare(on_github, False, APPLYING),
        rare(on_github, False, VERIFYING),
        rare(on_gitlab, True, APPLYING),
        rare(on_gitlab, True, VERIFYING),
        rare(on_gitlab, False, APPLYING),
        rare(on_gitlab, False, VERIFYING),
    ],
)
@pytest.mark.long
def test_a_cancelled_promotion_leaves_no_process_and_the_next_command_finishes_it(
    site: Site, cancel: Callable[[Step, Callable[[], None]], None], exec_: bool, moment: str
) -> None:
    site.configure(hooks=[HOOK])
    # Terraform does not react to a signal before AWS has responded.
    slow = {"service": "autoscaling", "action": "CreateAutoScalingGroup", "kind": "delay"}
    site.testbed.cloud.fault(**slow, seconds=2, times=1)
    step = Step(site, exec_=exec_)
    step.until(moment)

    def is_durable() -> None:
        time.sleep(DURABLE)
        assert written(site)

    cancel(step, is_durable)
    assert step.entry.returncode != 0, step.output.read_text()
    eventually(lambda: not step.left(), within=3.0)
    site.testbed.cloud.client.clear_faults()
    if site.document()["content"]["deployment"]:
        assert site.status()["next"] == f"ami-pipeline recover -e {site.environment}"
        result = site.run("recover")
        assert (result.code, result.document["outcome"]) == (0, "rolled back"), result.err
    assert site.state() == state_with(serving="")


def written(site: Site) -> bool:
    """Return True if the store has the deployment in flight and its next step, or its outcome."""
    deployment = site.document()["content"]["deployment"]
    if deployment is None:
        return True
    journal = site.path.parents[1] / "deployments" / deployment["id"]
    return bool(deployment["phase"]) and any(journal.glob("0*.json"))


@pytest.mark.long
@pytest.mark.parametrize("action", ["CreateAutoScalingGroup", "CreateLaunchTemplate"])
def test_a_killed_run_can_be_recovered_while_its_terraform_is_still_ending(
    site: Site, action: str
) -> None:
    service = "autoscaling" if action == "CreateAutoScalingGroup" else "ec2"
    site.configure()
    site.testbed.cloud.fault(service=service, action=action, kind="delay", seconds=3, times=1)
    step = Step(site, exec_=True)
    step.until("terraform: creating aws_" + ("auto" if service == "autoscaling" else "launch"))
    step.tell(signal.SIGKILL)
    step.entry.wait()
    assert step.left()
    result = site.run("recover")
    site.testbed.cloud.client.clear_faults()
    assert (result.code, result.document["outcome"]) == (0, "rolled back"), result.err
    assert not step.left()
    assert site.state() == state_with(serving="")
