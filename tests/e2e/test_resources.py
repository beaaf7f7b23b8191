"""Terraform plans and applies fleets on a local cloud: real Terraform, and the stand-in.

This is the contract that lets the matrix run on the stand-in. Each test has an environment of its
own. The tests of one Terraform share one cloud, one network and one provider.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.terraform.root_module import shipped_module, write_root
from pipeline.adapters.terraform.server_groups import TerraformResources
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.root_module import Root
from tests import provider, running_cloud
from tests.running_cloud import Cloud, eventually
from tests.standin.install import installed

# Seconds: a loaded machine starts Terraform slowly.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

MADE = Path(__file__).parents[1] / "captures/terraform-1.11.4/made.json"
"""A launch template and a group of real Terraform, as AWS describes them."""
SPEED = 1000
NONE: frozenset[str] = frozenset()
FIRST, SECOND = frozenset({"r000001"}), frozenset({"r000002"})
TEMPLATE = 'module.release.aws_launch_template.this["{}"]'
GROUP = 'module.release.aws_autoscaling_group.this["{}"]'


class Attached(Terraform):
    """Terraform with a provider that already runs: each start takes seconds."""

    provider: str = ""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), provider.ATTACHED: self.provider}


@dataclass(kw_only=True)
class TerraformTestbed:
    """A cloud with a network, for all tests of one Terraform."""

    cloud: Cloud
    folder: Path
    subnet: str
    security_group: str
    env: dict[str, str]
    provider: str = ""

    def root(self, environment: str, **inputs: Any) -> Root:
        return Root(
            app="web",
            environment=environment,
            region="us-east-1",
            account="123456789012",
            module=shipped_module(),
            folder=self.folder / environment,
            bucket=None,
            inputs={
                "subnet_ids": [self.subnet],
                "security_group_ids": [self.security_group],
                # No service listens on a bare image.
                "health_check_type": "EC2",
                **inputs,
            },
        )

    def release(self, number: int) -> Release:
        size = Size(instance_type="t3.micro", minimum=1, maximum=2, desired=1)
        facts = {"version": f"{number}.0.0", "root_device": "/dev/xvda"}
        return Release(number=number, ami_id=self.cloud.base_image(), size=size, facts=facts)


PASSING = {"Instances", "AutoScalingGroupARN", "CreatedTime", "AvailabilityZones"}


def in_order(value: Any) -> Any:
    """Return a document with its lists sorted."""
    match value:
        case dict():
            return {key: in_order(inner) for key, inner in value.items()}
        case list():
            return sorted(map(in_order, value), key=json.dumps)
    return value


@dataclass(kw_only=True)
class Fleet:
    """One environment, and the events reported for it."""

    testbed: TerraformTestbed
    resources: TerraformResources
    interrupts: Interrupts
    events: list[Event] = field(default_factory=list)

    def release(self, number: int) -> Release:
        return self.testbed.release(number)

    def launch(self, number: int, *others: int) -> None:
        wanted = [self.release(each) for each in (*others, number)]
        name = frozenset({wanted[-1].name})
        self.resources.apply(self.resources.plan(wanted, creates=name, deletes=NONE))

    def groups(self) -> set[str]:
        """Return the groups of this environment that exist."""
        answer = self.testbed.cloud.aws("autoscaling").describe_auto_scaling_groups()
        names = {each["AutoScalingGroupName"] for each in answer["AutoScalingGroups"]}
        return self.ours(names)

    def templates(self) -> set[str]:
        answer = self.testbed.cloud.aws("ec2").describe_launch_templates()
        return self.ours({each["LaunchTemplateName"] for each in answer["LaunchTemplates"]})

    @property
    def environment(self) -> str:
        return self.resources.root.environment

    def made(self, release: str) -> dict[str, Any]:
        """Return AWS's description of a release, without values of this cloud or moment."""
        aws, name = self.testbed.cloud.aws, f"web-{self.environment}-{release}"
        ec2, scaling = aws("ec2"), aws("autoscaling")
        [template] = ec2.describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"]
        versions = ec2.describe_launch_template_versions(LaunchTemplateName=name)
        [version] = versions["LaunchTemplateVersions"]
        [group] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ]
        text = json.dumps(
            {
                "template": version["LaunchTemplateData"],
                "description": version["VersionDescription"],
                "tags": template["Tags"],
                "group": {key: group[key] for key in group if key not in PASSING},
            }
        )
        text = text.replace(template["LaunchTemplateId"], "TEMPLATE")
        found: dict[str, Any] = in_order(json.loads(self.anonymous(text)))
        return found

    def anonymous(self, text: str) -> str:
        ids = {
            self.testbed.subnet: "SUBNET",
            self.testbed.security_group: "SECURITY_GROUP",
            self.testbed.cloud.base_image(): "IMAGE",
            self.environment: "ENVIRONMENT",
        }
        for id_, word in ids.items():
            text = text.replace(id_, word)
        return text

    def ours(self, names: set[str]) -> set[str]:
        prefix = f"web-{self.resources.root.environment}-"
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    def known(self) -> set[str]:
        return set(self.resources.terraform.state(self.resources.root.folder))

    def forget(self, release: str) -> None:
        """Remove a release from the state, as if Terraform had been killed."""
        path = self.resources.root.folder / "terraform.tfstate"
        state = json.loads(path.read_text())
        for resource in state["resources"]:
            kept = [each for each in resource["instances"] if each["index_key"] != release]
            resource["instances"] = kept
        path.write_text(json.dumps(state))

    def taint(self, address: str, *, tainted: bool = True) -> None:
        """Mark a resource in the state as Terraform does after an interrupted creation, or not."""
        path = self.resources.root.folder / "terraform.tfstate"
        state = json.loads(path.read_text())
        for resource in state["resources"]:
            for each in resource["instances"]:
                if address.endswith(f'{resource["type"]}.this["{each["index_key"]}"]'):
                    each.pop("status", None)
                    each.update({"status": "tainted"} if tainted else {})
        path.write_text(json.dumps(state))

    def delete_in_aws(self, release: str) -> None:
        """Delete a release's group and launch template without Terraform's knowledge."""
        name, scaling = f"web-{self.environment}-{release}", self.testbed.cloud.aws("autoscaling")
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        eventually(lambda: release not in self.groups())
        self.testbed.cloud.aws("ec2").delete_launch_template(LaunchTemplateName=name)

    @property
    def messages(self) -> list[str]:
        texts = [event.text for event in self.events if isinstance(event, Message)]
        return [text for text in texts if text.startswith("terraform: ")]


@pytest.fixture(scope="module", params=["stand-in", "real"])
def testbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TerraformTestbed]:
    folder = tmp_path_factory.mktemp("resources")
    with running_cloud.a_cloud(folder / "cloud", speed=SPEED) as cloud:
        ec2 = cloud.aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="127.10.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.10.1.0/24")["Subnet"]["SubnetId"]
        made = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)
        found = TerraformTestbed(
            cloud=cloud,
            folder=folder,
            subnet=subnet,
            security_group=made["GroupId"],
            env=cloud.env,
        )
        with {"stand-in": stood_in, "real": attached}[request.param](found):
            yield found


@contextlib.contextmanager
def stood_in(testbed: TerraformTestbed) -> Iterator[None]:
    testbed.env["PATH"] = installed(testbed.folder / "bin", testbed.env["PATH"])
    yield


@contextlib.contextmanager
def attached(testbed: TerraformTestbed) -> Iterator[None]:
    first = testbed.root("first")
    write_root(first)
    subprocess.run(
        ["terraform", "init", "-backend=false", "-input=false"],  # noqa: S607  as a user's shell finds it
        cwd=first.folder,
        env=testbed.env,
        check=True,
        capture_output=True,
    )
    with provider.started(first.folder, testbed.env) as env:
        testbed.provider = env[provider.ATTACHED]
        yield


@pytest.fixture
def fleet(
    testbed: TerraformTestbed, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Fleet:
    for name, value in testbed.env.items():
        monkeypatch.setenv(name, value)
    environment = f"env{request.session.items.index(request.node)}"
    interrupts = Interrupts()
    interrupts.install()
    events: list[Event] = []
    terraform = Attached(
        environ=testbed.env,
        log=testbed.folder / f"{environment}.log",
        report=events.append,
        interrupts=interrupts,
    )
    terraform.provider = testbed.provider
    resources = TerraformResources(
        terraform=terraform, root=testbed.root(environment), clients=Clients()
    )
    return Fleet(testbed=testbed, resources=resources, interrupts=interrupts, events=events)


def test_a_release_is_launched_and_retired_by_plans_with_nothing_else(
    fleet: Fleet,
) -> None:
    launch = fleet.resources.plan([fleet.release(1)], creates=FIRST, deletes=NONE)
    assert {(each.address, each.action) for each in launch.changes} == {
        (TEMPLATE.format("r000001"), "create"),
        (GROUP.format("r000001"), "create"),
    }
    assert launch.summary == "Plan: 2 to add, 0 to change, 0 to destroy."
    assert fleet.groups() == set()
    fleet.resources.apply(launch)
    assert fleet.groups() == fleet.templates() == {"r000001"}
    assert fleet.messages == [
        "terraform: creating aws_launch_template r000001",
        "terraform: created aws_launch_template r000001",
        "terraform: creating aws_autoscaling_group r000001",
        "terraform: created aws_autoscaling_group r000001",
    ]

    retire = fleet.resources.plan([], creates=NONE, deletes=FIRST)
    assert {each.action for each in retire.changes} == {"delete"}
    fleet.resources.apply(retire)
    assert fleet.groups() == fleet.templates() == set()
    assert fleet.known() == set()
    assert not list(fleet.resources.root.folder.glob("*.tfplan"))


def test_the_created_resources_are_the_captured_ones(fleet: Fleet) -> None:
    """So the stand-in's launch template and group equal those of the shipped module."""
    fleet.launch(1)
    made = fleet.made("r000001")
    user_data = base64.b64decode(made["template"].pop("UserData")).decode()
    captured = json.loads(MADE.read_text())
    assert made == captured["made"]
    assert fleet.anonymous(user_data) == captured["user_data"]
    fleet.resources.apply(fleet.resources.plan([], creates=NONE, deletes=FIRST))


def test_a_second_release_does_not_change_the_first_and_steps_can_be_repeated(fleet: Fleet) -> None:
    fleet.launch(1)
    both = [fleet.release(1), fleet.release(2)]
    fleet.resources.apply(fleet.resources.plan(both, creates=SECOND, deletes=NONE))
    again = fleet.resources.plan(both, creates=SECOND, deletes=NONE)
    assert (again.file, again.changes) == (None, ())
    fleet.resources.apply(again)
    fleet.resources.adopt(both)  # nothing to do, and nothing is done
    assert fleet.groups() == {"r000001", "r000002"}

    only = [fleet.release(2)]
    fleet.resources.apply(fleet.resources.plan(only, creates=NONE, deletes=FIRST))
    assert fleet.resources.plan(only, creates=NONE, deletes=FIRST).changes == ()
    assert fleet.groups() == fleet.templates() == {"r000002"}


def test_resources_deleted_before_the_state_was_saved_are_removed_from_the_state(
    fleet: Fleet,
) -> None:
    """As if Terraform had been killed between the deletion and saving its state."""
    fleet.launch(1)
    fleet.launch(2, 1)
    fleet.delete_in_aws("r000001")
    only = [fleet.release(2)]
    plan = fleet.resources.plan(only, creates=NONE, deletes=FIRST)
    assert plan.changes == ()
    fleet.resources.apply(plan)
    assert fleet.known() == {TEMPLATE.format("r000002"), GROUP.format("r000002")}


def test_a_plan_that_exceeds_the_phase_is_refused_as_a_whole(fleet: Fleet) -> None:
    fleet.launch(1)
    root = fleet.resources.root
    policies = {"cpu": {"metric": "cpu", "target": 50}}
    fleet.resources.root = replace(root, inputs={**root.inputs, "scaling_policies": policies})
    both = [fleet.release(1), fleet.release(2)]
    with pytest.raises(RefusedError) as raised:
        fleet.resources.plan(both, creates=SECOND, deletes=NONE)
    assert raised.value.where == f"terraform plan of web/{root.environment}"
    policy = 'module.release.aws_autoscaling_policy.this["r000001/cpu"]'
    assert raised.value.what == f"{policy}: create"
    assert raised.value.remedy == f"cd {root.folder} && terraform plan"
    assert not list(root.folder.glob("*.tfplan"))

    # A refused replacement shows what changes.
    fleet.resources.root = root
    fleet.taint(GROUP.format("r000001"))
    with pytest.raises(RefusedError) as raised:
        fleet.resources.plan(both, creates=SECOND, deletes=NONE)
    group = f"web-{root.environment}-r000001"
    why = "replace, it is tainted: its creation was interrupted"
    lines = raised.value.what.splitlines()
    assert lines[0] == f"{GROUP.format('r000001')}: {why}"
    assert f'  id: "{group}" -> (known after apply)' in lines
    fleet.taint(GROUP.format("r000001"), tainted=False)

    # If its group was deleted by hand, Terraform would create the serving release anew, and empty.
    gone = {"AutoScalingGroupName": f"web-{root.environment}-r000001", "ForceDelete": True}
    fleet.testbed.cloud.aws("autoscaling").delete_auto_scaling_group(**gone)
    running_cloud.eventually(lambda: fleet.groups() == set())
    with pytest.raises(RefusedError) as raised:
        fleet.resources.plan(both, creates=SECOND, deletes=NONE)
    missing = "create, missing in AWS, still in the state"
    assert raised.value.what == f"{GROUP.format('r000001')}: {missing}"
    assert fleet.templates() == {"r000001"}

    # A missing resource must not block its own removal.
    fleet.resources.apply(fleet.resources.plan([], creates=NONE, deletes=FIRST))
    assert fleet.templates() == set()


def test_an_orphan_is_adopted_without_a_change_and_then_retired(fleet: Fleet) -> None:
    fleet.launch(1)
    fleet.launch(2, 1)
    before = fleet.known()
    fleet.forget("r000002")
    fleet.resources.adopt([fleet.release(1), fleet.release(2)])
    assert fleet.known() == before
    group = f"web-{fleet.resources.root.environment}-r000002"
    assert f"terraform: importing aws_autoscaling_group {group}" in fleet.messages
    assert not (fleet.resources.root.folder / "imports.tf.json").exists()
    both = [fleet.release(1), fleet.release(2)]
    assert fleet.resources.plan(both, creates=SECOND, deletes=NONE).changes == ()
    retire = fleet.resources.plan([fleet.release(1)], creates=NONE, deletes=SECOND)
    fleet.resources.apply(retire)
    assert fleet.groups() == fleet.templates() == {"r000001"}


def test_an_unmanaged_group_with_a_managed_name_is_refused(fleet: Fleet) -> None:
    fleet.launch(1)
    fleet.forget("r000001")
    scaling = fleet.testbed.cloud.aws("autoscaling")
    group = f"web-{fleet.resources.root.environment}-r000001"
    tag = {"ResourceId": group, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    key = "ami-pipeline:app"
    scaling.create_or_update_tags(Tags=[{**tag, "Key": key, "Value": "shop"}])
    with pytest.raises(RefusedError) as raised:
        fleet.resources.adopt([fleet.release(1)])
    assert raised.value.where == f"importing aws_autoscaling_group {group}"
    assert raised.value.what == (
        "exists but is not in Terraform's state\ntag ami-pipeline:app is shop"
    )
    assert fleet.known() == set()


def test_a_signal_while_a_launch_template_is_created_leaves_only_what_adoption_fixes(
    fleet: Fleet,
) -> None:
    """Terraform writes its ID to the state only after a wait of five seconds."""
    terraform = fleet.resources.terraform
    # The stand-in waits as long by the cloud's clock, which is too fast for a signal here.
    terraform.environ = {**terraform.environ, "AMI_PIPELINE_SPEED": "5"}
    plan = fleet.resources.plan([fleet.release(1)], creates=FIRST, deletes=NONE)

    def interrupt() -> None:
        running_cloud.eventually(lambda: fleet.templates() == {"r000001"})
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        fleet.resources.apply(plan)
    watcher.join()
    fleet.interrupts.answer()
    assert fleet.templates() == {"r000001"}
    assert fleet.known() == set()

    wanted = [fleet.release(1)]
    fleet.resources.adopt(wanted)
    assert fleet.known() == {TEMPLATE.format("r000001")}
    assert fleet.groups() == set()  # adopting creates nothing
    rest = fleet.resources.plan(wanted, creates=FIRST, deletes=NONE)
    assert [(each.address, each.action) for each in rest.changes] == [
        (GROUP.format("r000001"), "create")
    ]
    fleet.resources.apply(fleet.resources.plan([], creates=NONE, deletes=FIRST))
    assert fleet.templates() == set()
