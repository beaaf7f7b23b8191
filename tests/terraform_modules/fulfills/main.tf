# A module of a user's own that fulfills the contract, with what its author may choose freely.

variable "app" { type = string }
variable "environment" { type = string }
variable "subnet_ids" { type = list(string) }
variable "releases" {
  type = map(object({
    ami_id           = string
    instance_type    = string
    min_size         = number
    max_size         = number
    desired_capacity = number
    facts            = map(string)
  }))
}

resource "aws_launch_template" "this" {
  for_each      = var.releases
  name          = "${var.app}-${var.environment}-${each.key}"
  image_id      = each.value.ami_id
  instance_type = each.value.instance_type
  user_data     = base64encode("echo ${lookup(each.value.facts, "version", "")}")
  tags = {
    "ami-pipeline:app"         = var.app
    "ami-pipeline:environment" = var.environment
    "ami-pipeline:release"     = each.key
  }
}

resource "aws_autoscaling_group" "this" {
  for_each                  = var.releases
  name                      = "${var.app}-${var.environment}-${each.key}"
  vpc_zone_identifier       = var.subnet_ids
  min_size                  = each.value.min_size
  max_size                  = each.value.max_size
  desired_capacity          = each.value.desired_capacity
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this[each.key].id
        version            = aws_launch_template.this[each.key].latest_version
      }
      override { instance_type = "t3.micro" }
      override { instance_type = "t3a.micro" }
    }
  }

  dynamic "tag" {
    for_each = { app = var.app, environment = var.environment, release = each.key }
    content {
      key                 = "ami-pipeline:${tag.key}"
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    ignore_changes = [min_size, max_size, desired_capacity, load_balancers, target_group_arns, traffic_source]
  }
}

output "releases" {
  value = {
    for name, group in aws_autoscaling_group.this : name => {
      group_name              = group.name
      launch_template_id      = aws_launch_template.this[name].id
      launch_template_version = aws_launch_template.this[name].latest_version
      ami_id                  = aws_launch_template.this[name].image_id
    }
  }
}
