"""Real Terraform with the AWS provider, pointed at the cloud by the environment alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud import environment

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

REPOSITORY = Path(__file__).parents[2]
REGION = "eu-central-1"  # of the policies in docs/ci/iam

MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
resource "aws_s3_bucket" "made" { bucket = "made-by-terraform" }
resource "aws_s3_object" "made" {
  bucket  = aws_s3_bucket.made.id
  key     = "key"
  content = "content"
}
data "aws_caller_identity" "me" {}
output "account" { value = data.aws_caller_identity.me.account_id }
"""


RELEASE = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" { region = "%(region)s" }
module "release" {
  source             = "%(repository)s/terraform/release"
  app                = "web"
  environment        = "production"
  instance_profile   = "web-production"
  subnet_ids         = ["%(subnet)s"]
  security_group_ids = ["%(group)s"]
  releases = {
    r000001 = {
      ami_id           = "%(image)s"
      instance_type    = "t3.micro"
      min_size         = 0
      max_size         = 0
      desired_capacity = 0
    }
  }
}
"""


def terraform(cloud: Cloud, folder: Path, *words: str) -> str:
    """Run Terraform in a folder; it succeeds, and without changes if it only plans."""
    said = ran(folder, cloud.env, *words)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def ran(folder: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder, with these environment variables."""
    return subprocess.run(
        ["terraform", *words, "-input=false", "-no-color"],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def network(cloud: Cloud) -> dict[str, str]:
    """Create what the release module uses, and return its names."""
    ec2, iam = cloud.aws("ec2", REGION), cloud.aws("iam")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    guard = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)
    iam.create_role(RoleName="web-production-instances", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="web-production")
    iam.add_role_to_instance_profile(
        InstanceProfileName="web-production", RoleName="web-production-instances"
    )
    return {
        "group": guard["GroupId"],
        "subnet": ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"],
        "image": cloud.base_image(REGION),
        "region": REGION,
        "repository": str(REPOSITORY),
    }


def acting(cloud: Cloud, role: str, policy: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables of a role."""
    cloud.client.set_role(role, policy)
    return {**cloud.env, **environment.of_session(cloud.client.assume(role))}


@pytest.mark.long
def test_terraform_works_with_the_environment_alone(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN)
    terraform(cloud, tmp_path, "init")
    said = terraform(cloud, tmp_path, "apply", "-auto-approve")
    assert 'account = "123456789012"' in said
    stored = cloud.aws("s3").get_object(Bucket="made-by-terraform", Key="key")
    with stored["Body"] as body:
        assert body.read() == b"content"


@pytest.mark.long
def test_terraform_retries_what_a_gateway_and_the_network_do(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN.replace("made-by-terraform", "made-in-spite"))
    terraform(cloud, tmp_path, "init")
    for action, kind in (
        ("GetCallerIdentity", "html-before"),
        ("CreateBucket", "empty-before"),
        ("PutObject", "reset-after"),
        ("GetObject", "reset-before"),
        ("HeadObject", "truncated"),
    ):
        cloud.fault(action=action, kind=kind)
    terraform(cloud, tmp_path, "apply", "-auto-approve")
    kept = [each["action"] for each in cloud.client.faults()]
    cloud.client.clear_faults()
    assert set(kept) <= {"GetObject", "HeadObject"}  # which not every provider version calls
    terraform(cloud, tmp_path, "plan", "-detailed-exitcode")


@pytest.mark.long
def test_the_documented_deploy_policy_lets_terraform_create_and_delete_a_release(
    cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "main.tf").write_text(RELEASE % network(cloud))
    terraform(cloud, tmp_path, "init")
    policy = json.loads((REPOSITORY / "docs/ci/iam/deploy.json").read_text())
    cloud.client.forget_permissions()
    env = acting(cloud, "deploy", policy)
    for words in (("apply", "-auto-approve"), ("destroy", "-auto-approve")):
        done = ran(tmp_path, env, *words)
        assert cloud.client.denials() == []
        assert done.returncode == 0, done.stderr
    asked = {each["action"] for each in cloud.client.asked_permissions()}
    assert {
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:DeleteAutoScalingGroup",
        "ec2:CreateLaunchTemplate",
        "ec2:CreateTags",
        "ec2:DeleteLaunchTemplate",
        "ec2:RunInstances",
        "iam:PassRole",
    } <= asked

    kept = [each for each in policy["Statement"] if each["Sid"] != "InstanceRole"]
    done = ran(tmp_path, acting(cloud, "deploy", {"Statement": kept}), "apply", "-auto-approve")
    assert done.returncode == 1
    assert "You are not authorized to use launch template: lt-" in done.stderr
    assert [each["action"] for each in cloud.client.denials()] == ["iam:PassRole"]
    terraform(cloud, tmp_path, "destroy", "-auto-approve")
