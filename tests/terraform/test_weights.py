"""Weights of target groups that Terraform created: set by API, they are no change in a plan.

A test waits for minutes: the provider waits one minute for each load balancer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.running_cloud import Cloud
    from tests.terraform.modules import Terraform

pytestmark = pytest.mark.xdist_group("terraform")

ROOT = """
variable "pair" { type = bool }

module "stack" {
  source = "../stack"
  name   = "web-weights"
  nat    = "none"
  pair   = var.pair
  # A policy of AWS, with which Systems Manager reaches the instances.
  policy_arns = ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
}

resource "aws_lb_target_group" "tcp" {
  count    = 2
  name     = "web-tcp-${count.index}"
  protocol = "TCP"
  port     = 8080
  vpc_id   = module.stack.vpc_id
}

resource "aws_lb" "network" {
  name               = "web-network"
  load_balancer_type = "network"
  subnets            = module.stack.public_subnet_ids
}

resource "aws_lb_listener" "network" {
  load_balancer_arn = aws_lb.network.arn
  port              = 80
  protocol          = "TCP"

  default_action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.tcp[0].arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.tcp[1].arn
        weight = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

resource "aws_lb_target_group" "http" {
  count    = 2
  name     = "web-http-${count.index}"
  protocol = "HTTP"
  port     = 8080
  vpc_id   = module.stack.vpc_id
}

resource "aws_lb_listener_rule" "api" {
  listener_arn = module.stack.listener_arn
  priority     = 1

  condition {
    path_pattern { values = ["/api/*"] }
  }

  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.http[0].arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.http[1].arn
        weight = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [action]
  }
}

output "stack" { value = module.stack }
output "network" { value = aws_lb_listener.network.arn }
output "rule" { value = aws_lb_listener_rule.api.arn }
"""


def swapped(action: dict[str, Any]) -> list[dict[str, Any]]:
    """The action with its weights exchanged."""
    groups = action["ForwardConfig"]["TargetGroups"]
    weights = [each["Weight"] for each in reversed(groups)]
    changed = [
        {"TargetGroupArn": each["TargetGroupArn"], "Weight": weight}
        for each, weight in zip(groups, weights, strict=True)
    ]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": changed}}]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_weights_that_are_set_by_api_are_no_change_for_terraform(
    terraform: Terraform, cloud: Cloud
) -> None:
    folder = terraform.folder / "weights"
    folder.mkdir()
    (folder / "main.tf").write_text(ROOT)
    terraform.run("weights", "init", "-input=false")
    apply = ("apply", "-auto-approve", "-input=false", "-parallelism=30")
    terraform.run("weights", *apply, "-var=pair=false")
    planned = terraform.plan("weights", "-var=pair=true")
    assert planned == {
        "module.stack.aws_lb_listener.http[0]": "update",
        "module.stack.aws_lb_listener.test[0]": "create",
        "module.stack.aws_lb_target_group.second[0]": "create",
        "module.stack.aws_vpc_security_group_ingress_rule.test[0]": "create",
    }
    terraform.run("weights", *apply, "planned.tfplan")
    outputs = {
        name: each["value"]
        for name, each in json.loads(terraform.run("weights", "output", "-json")).items()
    }
    elbv2, pair = cloud.aws("elbv2"), outputs["stack"]["pair"]
    for arn in (pair["listener"], pair["test_listener"], outputs["network"]):
        (shown,) = elbv2.describe_listeners(ListenerArns=[arn])["Listeners"]
        (action,) = shown["DefaultActions"]
        elbv2.modify_listener(ListenerArn=arn, DefaultActions=swapped(action))
    (rule,) = elbv2.describe_rules(RuleArns=[outputs["rule"]])["Rules"]
    elbv2.modify_rule(RuleArn=rule["RuleArn"], Actions=swapped(rule["Actions"][0]))
    assert terraform.plan("weights", "-var=pair=true") == {}
