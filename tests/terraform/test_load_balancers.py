"""Load balancers created by Terraform: a plan after an apply is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.terraform.modules import Terraform

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


@pytest.mark.long
def test_load_balancers_of_terraform_never_drift(terraform: Terraform) -> None:
    folder = terraform.folder / "balancers"
    folder.mkdir()
    (folder / "main.tf").write_text(BALANCERS)
    terraform.run("balancers", "init", "-input=false")
    for seconds in (300, 40):
        wanted = f"-var=draining={seconds}"
        terraform.run("balancers", "apply", "-auto-approve", "-input=false", wanted)
        terraform.run("balancers", "plan", "-detailed-exitcode", "-input=false", wanted)
    terraform.run("balancers", "destroy", "-auto-approve", "-input=false")
