"""Real Terraform with the AWS provider, pointed at the cloud by the environment alone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local_cloud import Cloud

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


BALANCERS = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
variable "draining" { default = 300 }
data "aws_vpc" "default" { default = true }
resource "aws_elb" "bare" {
  name               = "terraform-bare"
  availability_zones = ["us-east-1a"]
  listener {
    lb_port           = 8181
    lb_protocol       = "http"
    instance_port     = 8080
    instance_protocol = "http"
  }
}
resource "aws_elb" "draining" {
  name                        = "terraform-draining"
  availability_zones          = ["us-east-1a", "us-east-1b"]
  connection_draining         = true
  connection_draining_timeout = var.draining
  listener {
    lb_port           = 8181
    lb_protocol       = "ssl"
    instance_port     = 8443
    instance_protocol = "tcp"

    ssl_certificate_id = "arn:aws:iam::123456789012:server-certificate/web"
  }
}
resource "aws_lb_target_group" "web" {
  name                 = "terraform-web"
  port                 = 8080
  protocol             = "HTTP"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = var.draining
}
"""


def terraform(cloud: Cloud, folder: Path, *words: str) -> str:
    """Run Terraform in a folder; it succeeds, and without changes if it only plans."""
    said = subprocess.run(
        ["terraform", *words, "-input=false", "-no-color"],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env=cloud.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_load_balancers_of_terraform_never_drift(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(BALANCERS)
    terraform(cloud, tmp_path, "init")
    for seconds in (300, 40):
        wanted = f"-var=draining={seconds}"
        terraform(cloud, tmp_path, "apply", "-auto-approve", wanted)
        terraform(cloud, tmp_path, "plan", "-detailed-exitcode", wanted)
    terraform(cloud, tmp_path, "destroy", "-auto-approve")


def test_terraform_works_with_nothing_but_the_environment(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN)
    terraform(cloud, tmp_path, "init")
    said = terraform(cloud, tmp_path, "apply", "-auto-approve")
    assert 'account = "123456789012"' in said
    stored = cloud.aws("s3").get_object(Bucket="made-by-terraform", Key="key")
    with stored["Body"] as body:
        assert body.read() == b"content"
