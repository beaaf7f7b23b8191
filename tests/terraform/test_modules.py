"""The modules in terraform/: formatted, valid, tested by their own tests, and really applied.

The applied configuration is the stack with a classic load balancer and one release. The application
load balancer is only planned: the provider waits a minute for each.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.config import load
from tests.running_cloud import eventually
from tests.terraform.modules import REPOSITORY, Terraform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

pytestmark = pytest.mark.xdist_group("terraform")

OLD, NEW = "r000001", "r000002"
GROUP = f"web-staging-{OLD}"
# Without a NAT gateway: the provider waits ten seconds to delete one.
ROOT = """
variable "releases" {}
variable "load_balancer" { default = "classic" }
variable "subnet_ids" { default = null }
variable "team" { default = "shop" }
variable "orphans" { default = {} }

module "stack" {
  source               = "../stack"
  name                 = "web-staging"
  nat                  = "none"
  load_balancer        = var.load_balancer
  deregistration_delay = 300
}

module "release" {
  source             = "../release"
  app                = "web"
  environment        = "staging"
  releases           = var.releases
  subnet_ids         = coalesce(var.subnet_ids, module.stack.subnet_ids)
  security_group_ids = module.stack.security_group_ids
  # By name, and so without waiting for IAM: Terraform takes seconds for either.
  instance_profile = "web-staging-instances"
  # Nothing listens on a bare image, and a replaced instance is not what is tested here.
  health_check_type = "EC2"
  tags              = { Team = var.team }
  scaling_policies  = { cpu = { metric = "cpu", target = length(var.team) * 10 } }
  lifecycle_hooks   = [{ name = "bye", transition = "terminating", heartbeat_timeout = 30 }]
}

import {
  for_each = var.orphans
  to       = module.release.aws_launch_template.this[each.key]
  id       = each.value
}

import {
  for_each = var.orphans
  to       = module.release.aws_autoscaling_group.this[each.key]
  id       = "web-staging-${each.key}"
}

output "stack" { value = module.stack }
output "releases" { value = module.release.releases }
"""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A root module with the stack and one release, applied."""

    terraform: Terraform
    cloud: Cloud
    outputs: dict[str, Any]

    def plan(self, *words: str, **variables: Any) -> dict[str, str]:
        """Plan with other variables; return the planned actions by address."""
        given = self.terraform.folder / "root/given.tfvars.json"
        given.write_text(json.dumps(variables))
        return self.terraform.plan("root", f"-var-file={given.name}", *words)


def release(cloud: Cloud, **more: Any) -> dict[str, Any]:
    image = cloud.base_image()
    device = cloud.aws("ec2").describe_images(ImageIds=[image])["Images"][0]["RootDeviceName"]
    sizes = {"min_size": 1, "max_size": 2, "desired_capacity": 1}
    facts = {"version": "1.4.2", "deployment": "d-1", "root_device": device}
    return {"ami_id": image, "instance_type": "t3.micro", **sizes, "facts": facts, **more}


@pytest.fixture(scope="module")
def applied(cloud: Cloud, terraform: Terraform) -> Iterator[Applied]:
    root = terraform.folder / "root"
    root.mkdir()
    (root / "main.tf").write_text(ROOT)
    given = {"releases": {OLD: release(cloud)}}
    (root / "releases.auto.tfvars.json").write_text(json.dumps(given))
    terraform.run("root", "init", "-input=false")
    terraform.run("root", "apply", "-input=false", "-auto-approve")
    said = json.loads(terraform.run("root", "output", "-json"))
    outputs = {name: output["value"] for name, output in said.items()}
    with used_by_api(cloud, outputs["stack"]):
        yield Applied(terraform=terraform, cloud=cloud, outputs=outputs)
    # Destroy the stack, as its users do after a trial.
    terraform.run("root", "destroy", "-input=false", "-auto-approve")
    assert terraform.run("root", "state", "list") == ""


@contextlib.contextmanager
def used_by_api(cloud: Cloud, stack: dict[str, Any]) -> Iterator[None]:
    """Change a group as the pipeline and Auto Scaling do."""
    balancing, group = cloud.aws("elbv2"), {"AutoScalingGroupName": GROUP}
    made = balancing.create_target_group(
        Name="by-api", Protocol="HTTP", Port=8080, VpcId=stack["vpc_id"]
    )
    target_groups = {"TargetGroupARNs": [made["TargetGroups"][0]["TargetGroupArn"]]}
    balancers = {"LoadBalancerNames": [stack["load_balancer_name"]]}
    scaling = cloud.aws("autoscaling")
    scaling.update_auto_scaling_group(**group, MinSize=2, MaxSize=5, DesiredCapacity=2)
    scaling.suspend_processes(**group, ScalingProcesses=["AZRebalance"])
    scaling.attach_load_balancers(**group, **balancers)
    scaling.attach_load_balancer_target_groups(**group, **target_groups)
    yield
    scaling.detach_load_balancers(**group, **balancers)
    scaling.detach_load_balancer_target_groups(**group, **target_groups)
    balancing.delete_target_group(TargetGroupArn=target_groups["TargetGroupARNs"][0])


def test_the_modules_are_formatted(terraform: Terraform) -> None:
    terraform.run(str(REPOSITORY / "terraform"), "fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("image", marks=pytest.mark.long),
        "release",
        pytest.param("stack", marks=pytest.mark.long),
    ],
)
def test_a_module_is_valid_and_its_own_tests_pass(terraform: Terraform, module: str) -> None:
    terraform.run(module, "init", "-backend=false", "-input=false")
    said = terraform.run(module, "test")  # validates first
    assert "Warning" not in said
    assert "0 failed" in said
    assert "0 passed" not in said


@pytest.mark.long
def test_an_instance_has_the_settings_of_its_launch_template(applied: Applied) -> None:
    cloud = applied.cloud
    groups = cloud.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
    member = groups["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    instance = cloud.instance(member)
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["ami-pipeline:release"] == OLD
    assert tags["ami-pipeline:deployment"] == "d-1"
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert cloud.aws("ec2").describe_volumes(VolumeIds=[volume])["Volumes"][0]["Encrypted"]
    facts = cloud.home.instances / member / "root/etc/web/release.json"
    eventually(facts.is_file)
    assert json.loads(facts.read_text())["version"] == "1.4.2"


@pytest.mark.long
def test_the_outputs_fulfill_the_contract_and_the_needs_of_pipeline_toml(applied: Applied) -> None:
    made = applied.outputs["releases"][OLD]
    assert made["group_name"] == GROUP
    assert made["launch_template_version"] == "1"
    assert made["launch_template_id"].startswith("lt-")
    assert made["ami_id"] == applied.cloud.base_image()
    assert applied.outputs["stack"]["load_balancer_name"] == "web-staging"


@pytest.mark.long
def test_the_stacks_output_can_be_pasted_into_pipeline_toml(
    applied: Applied, tmp_path: Path
) -> None:
    piece = applied.outputs["stack"]["pipeline_toml"].replace("NAME", "staging")
    top = 'app = "web"\nregion = "us-east-1"\n[bake]\ntemplate = "app.pkr.hcl"\n'
    (tmp_path / "pipeline.toml").write_text(top + piece)
    (tmp_path / "app.pkr.hcl").touch()
    settings = load(tmp_path / "pipeline.toml")
    assert settings.environment("staging").load_balancers == ("web-staging",)
    inputs = settings.terraform_for("staging").inputs
    assert inputs["subnet_ids"] == applied.outputs["stack"]["subnet_ids"]


# Sizes and attachments were changed through the API before, and are in none of these plans.
@pytest.mark.long
def test_a_second_release_is_created_and_nothing_else_happens(applied: Applied) -> None:
    releases = {OLD: release(applied.cloud), NEW: release(applied.cloud)}
    # Changed inputs only apply to the new release.
    subnets = applied.outputs["stack"]["subnet_ids"][:1]
    assert applied.plan(releases=releases, team="other", subnet_ids=subnets) == {
        f'module.release.aws_launch_template.this["{NEW}"]': "create",
        f'module.release.aws_autoscaling_group.this["{NEW}"]': "create",
        f'module.release.aws_autoscaling_policy.this["{NEW}/cpu"]': "create",
    }


@pytest.mark.long
def test_a_removed_release_is_deleted_and_nothing_else_happens(applied: Applied) -> None:
    assert applied.plan(releases={}) == {
        f'module.release.aws_launch_template.this["{OLD}"]': "delete",
        f'module.release.aws_autoscaling_group.this["{OLD}"]': "delete",
        f'module.release.aws_autoscaling_policy.this["{OLD}/cpu"]': "delete",
    }


@pytest.mark.long
def test_an_orphan_is_adopted_with_the_timeout_of_its_deletion(applied: Applied) -> None:
    state = json.loads((applied.terraform.folder / "root/terraform.tfstate").read_text())
    lost = {"aws_launch_template", "aws_autoscaling_group"}
    state["resources"] = [each for each in state["resources"] if each["type"] not in lost]
    without = applied.terraform.folder / "root/without.tfstate"
    without.write_text(json.dumps(state))
    orphans = {OLD: applied.outputs["releases"][OLD]["launch_template_id"]}
    # Only an update writes the timeout to the state: AWS has no such value to import.
    assert applied.plan(f"-state={without.name}", orphans=orphans) == {
        f'module.release.aws_launch_template.this["{OLD}"]': "import",
        f'module.release.aws_autoscaling_group.this["{OLD}"]': "update",
    }


@pytest.mark.long
def test_an_application_load_balancer_replaces_the_classic_one(
    applied: Applied,
) -> None:
    assert applied.plan(load_balancer="application") == {
        "module.stack.aws_elb.this[0]": "delete",
        "module.stack.aws_lb.this[0]": "create",
        "module.stack.aws_lb_target_group.this[0]": "create",
        "module.stack.aws_lb_listener.http[0]": "create",
    }
