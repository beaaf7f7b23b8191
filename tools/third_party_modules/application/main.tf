# A group behind an application load balancer, with the resources and arguments that the
# widespread public modules for groups and load balancers write.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {}

variable "name" {
  type    = string
  default = "shop"
}

variable "image_id" { type = string }

variable "instance_type" {
  type    = string
  default = "t3.micro"
}

variable "sizes" {
  type    = object({ min = number, max = number, desired = number })
  default = { min = 1, max = 4, desired = 2 }
}

variable "refresh" {
  type    = bool
  default = true
}

variable "deregistration_delay" {
  type    = number
  default = 30
}

locals {
  tags = { Name = var.name, Terraform = "true" }
}

data "aws_vpc" "default" { default = true }

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
  filter {
    name   = "availability-zone"
    values = ["us-east-1a", "us-east-1b"]
  }
}

resource "aws_security_group" "balancer" {
  name_prefix            = "${var.name}-alb-"
  description            = "Security group for ${var.name} application load balancer"
  vpc_id                 = data.aws_vpc.default.id
  revoke_rules_on_delete = true
  tags                   = local.tags
  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  security_group_id = aws_security_group.balancer.id
  from_port         = 80
  to_port           = 80
  ip_protocol       = "tcp"
  cidr_ipv4         = "0.0.0.0/0"
  description       = "HTTP web traffic"
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.balancer.id
  ip_protocol       = "-1"
  cidr_ipv4         = data.aws_vpc.default.cidr_block
}

resource "aws_lb" "this" {
  name                             = var.name
  load_balancer_type               = "application"
  internal                         = false
  security_groups                  = [aws_security_group.balancer.id]
  subnets                          = data.aws_subnets.default.ids
  drop_invalid_header_fields       = true
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = false
  enable_http2                     = true
  idle_timeout                     = 60
  tags                             = local.tags

  timeouts {
    create = "10m"
    update = "10m"
    delete = "10m"
  }
}

resource "aws_lb_target_group" "this" {
  name_prefix                       = "shop-"
  port                              = 8080
  protocol                          = "HTTP"
  protocol_version                  = "HTTP1"
  target_type                       = "instance"
  vpc_id                            = data.aws_vpc.default.id
  deregistration_delay              = var.deregistration_delay
  load_balancing_algorithm_type     = "least_outstanding_requests"
  load_balancing_cross_zone_enabled = "use_load_balancer_configuration"
  slow_start                        = 0

  health_check {
    enabled             = true
    path                = "/health"
    port                = "traffic-port"
    protocol            = "HTTP"
    matcher             = "200-399"
    interval            = 10
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  stickiness {
    enabled         = true
    type            = "lb_cookie"
    cookie_duration = 86400
  }

  tags = local.tags
  lifecycle { create_before_destroy = true }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = local.tags
}

resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 10

  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "closed"
      status_code  = "503"
    }
  }

  condition {
    path_pattern { values = ["/closed*"] }
  }

  tags = local.tags
}

resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 20

  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.this.arn
        weight = 100
      }
      stickiness {
        enabled  = true
        duration = 3600
      }
    }
  }

  condition {
    host_header { values = ["shop.example.com"] }
  }
  condition {
    http_header {
      http_header_name = "X-Canary"
      values           = ["yes"]
    }
  }
}

resource "aws_iam_role" "this" {
  name_prefix = "${var.name}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.this.name
}

resource "aws_security_group" "instance" {
  name_prefix = "${var.name}-instance-"
  vpc_id      = data.aws_vpc.default.id
  lifecycle { create_before_destroy = true }
}

resource "aws_launch_template" "this" {
  name_prefix            = "${var.name}-"
  description            = "${var.name} launch template"
  update_default_version = true
  image_id               = var.image_id
  instance_type          = var.instance_type
  ebs_optimized          = true
  user_data              = base64encode("#!/bin/bash\necho \"hello ${var.instance_type}\"\n")

  block_device_mappings {
    device_name = "/dev/xvda"
    no_device   = 0
    ebs {
      delete_on_termination = true
      encrypted             = true
      volume_size           = 20
      volume_type           = "gp2"
    }
  }

  capacity_reservation_specification { capacity_reservation_preference = "open" }
  credit_specification { cpu_credits = "standard" }
  iam_instance_profile { arn = aws_iam_instance_profile.this.arn }
  monitoring { enabled = true }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  network_interfaces {
    delete_on_termination = true
    description           = "eth0"
    device_index          = 0
    security_groups       = [aws_security_group.instance.id]
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])
    content {
      resource_type = tag_specifications.key
      tags          = local.tags
    }
  }

  tags = local.tags
  lifecycle { create_before_destroy = true }
}

resource "aws_autoscaling_group" "this" {
  name_prefix               = "${var.name}-"
  min_size                  = var.sizes.min
  max_size                  = var.sizes.max
  desired_capacity          = var.sizes.desired
  vpc_zone_identifier       = data.aws_subnets.default.ids
  health_check_type         = "EC2"
  health_check_grace_period = 300
  default_instance_warmup   = 60
  wait_for_capacity_timeout = "2m"
  protect_from_scale_in     = false
  service_linked_role_arn   = null
  max_instance_lifetime     = 604800
  enabled_metrics           = ["GroupMinSize", "GroupMaxSize", "GroupTotalInstances"]

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  traffic_source {
    identifier = aws_lb_target_group.this.arn
    type       = "elbv2"
  }

  initial_lifecycle_hook {
    name                  = "startup"
    default_result        = "CONTINUE"
    heartbeat_timeout     = 60
    lifecycle_transition  = "autoscaling:EC2_INSTANCE_LAUNCHING"
    notification_metadata = jsonencode({ hello = "world" })
  }

  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 110
  }

  dynamic "instance_refresh" {
    for_each = var.refresh ? [1] : []
    content {
      strategy = "Rolling"
      preferences {
        checkpoint_delay       = 600
        checkpoint_percentages = [35, 70, 100]
        instance_warmup        = 300
        min_healthy_percentage = 50
        max_healthy_percentage = 100
      }
      triggers = ["tag"]
    }
  }

  dynamic "tag" {
    for_each = local.tags
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  timeouts { delete = "10m" }

  lifecycle { create_before_destroy = true }
}

resource "aws_autoscaling_policy" "cpu" {
  name                      = "cpu"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = 120

  target_tracking_configuration {
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
    target_value = 50.0
  }
}

resource "aws_autoscaling_policy" "requests" {
  name                   = "requests"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}"
    }
    target_value = 800
  }
}

resource "aws_autoscaling_policy" "steps" {
  name                   = "steps"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "StepScaling"
  adjustment_type        = "ChangeInCapacity"

  step_adjustment {
    scaling_adjustment          = 1
    metric_interval_lower_bound = 0
    metric_interval_upper_bound = 10
  }
  step_adjustment {
    scaling_adjustment          = 2
    metric_interval_lower_bound = 10
  }
}

resource "aws_autoscaling_policy" "ahead" {
  name                   = "ahead"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "PredictiveScaling"

  predictive_scaling_configuration {
    mode                         = "ForecastAndScale"
    scheduling_buffer_time       = 10
    max_capacity_breach_behavior = "IncreaseMaxCapacity"
    max_capacity_buffer          = 10
    metric_specification {
      target_value = 32
      predefined_scaling_metric_specification {
        predefined_metric_type = "ASGAverageCPUUtilization"
        resource_label         = "cpu"
      }
      predefined_load_metric_specification {
        predefined_metric_type = "ASGTotalCPUUtilization"
        resource_label         = "cpu"
      }
    }
  }
}

resource "aws_autoscaling_schedule" "morning" {
  scheduled_action_name  = "morning"
  autoscaling_group_name = aws_autoscaling_group.this.name
  min_size               = 0
  max_size               = 1
  desired_capacity       = 1
  recurrence             = "0 7 * * 1-5"
  time_zone              = "Europe/Rome"
}

resource "aws_autoscaling_schedule" "once" {
  scheduled_action_name  = "once"
  autoscaling_group_name = aws_autoscaling_group.this.name
  min_size               = 0
  max_size               = 1
  desired_capacity       = 1
  start_time             = "2031-12-31T10:00:00Z"
  end_time               = "2032-01-31T10:00:00Z"
  recurrence             = "0 0 1 * *"
}

output "address" { value = aws_lb.this.dns_name }
output "group" { value = aws_autoscaling_group.this.name }
