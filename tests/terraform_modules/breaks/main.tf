# A module of a user's own that breaks the contract in each way that Terraform accepts.

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
  name_prefix   = "${var.app}-${each.key}"
  image_id      = "ami-00000000000000bad"
  instance_type = each.value.instance_type
}

resource "aws_launch_template" "spare" {
  for_each      = var.releases
  name          = "${var.app}-spare-${each.key}"
  image_id      = each.value.ami_id
  instance_type = each.value.instance_type
}

resource "aws_lb_target_group" "this" {
  for_each    = var.releases
  name        = "${var.app}-${each.key}"
  port        = 80
  protocol    = "HTTP"
  vpc_id      = "vpc-0123456789abcdef0"
  target_type = "instance"
}

resource "aws_autoscaling_group" "this" {
  for_each            = var.releases
  name                = "${each.key}-${var.app}"
  vpc_zone_identifier = var.subnet_ids
  min_size            = each.value.min_size
  max_size            = each.value.max_size
  desired_capacity    = each.value.desired_capacity
  target_group_arns   = [aws_lb_target_group.this[each.key].arn]
  load_balancers      = ["classic"]

  mixed_instances_policy {
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this[each.key].id
        version            = "$Latest"
      }
      override {
        instance_type = "t3a.micro"
        launch_template_specification {
          launch_template_id = aws_launch_template.spare[each.key].id
          version            = "1"
        }
      }
    }
  }

  tag {
    key                 = "ami-pipeline:app"
    value               = var.app
    propagate_at_launch = false
  }
  tag {
    key                 = "ami-pipeline:release"
    value               = "latest"
    propagate_at_launch = true
  }

  # Ignores less than what the pipeline changes.
  lifecycle {
    ignore_changes = [desired_capacity, target_group_arns]
  }
}

resource "aws_autoscaling_attachment" "this" {
  for_each               = var.releases
  autoscaling_group_name = aws_autoscaling_group.this[each.key].name
  lb_target_group_arn    = aws_lb_target_group.this[each.key].arn
}

output "releases" {
  value = {
    for name, group in aws_autoscaling_group.this : name => {
      group_name              = "${var.app}-${var.environment}-${name}"
      launch_template_id      = aws_launch_template.spare[name].id
      launch_template_version = group.mixed_instances_policy[0].launch_template[0].launch_template_specification[0].version
      ami_id                  = var.releases[name].ami_id
    }
  }
}
