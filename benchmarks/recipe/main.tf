# The usual recipe, as the posts and modules have it that this tool is for: one root, in which the
# AMI is part of the group's name. A new AMI makes a new template and a new group; Terraform
# waits until the load balancer finds `min_elb_capacity` instances in service, then destroys the
# old ones (`create_before_destroy`). What people use, not what we would write.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" { type = string }
variable "ami_id" { type = string }
variable "members" { type = number }
variable "max_size" { type = number }
variable "subnet_ids" { type = list(string) }
variable "security_group_ids" { type = list(string) }
variable "instance_profile" { type = string }

variable "load_balancers" {
  type    = list(string)
  default = []
}

variable "target_group_arns" {
  type    = list(string)
  default = []
}

variable "grace" {
  type    = number
  default = 300
}

variable "wait_for_capacity_timeout" {
  type    = string
  default = "10m"
}

resource "aws_launch_template" "this" {
  name_prefix            = "${var.name}-"
  image_id               = var.ami_id
  instance_type          = "t3.micro"
  vpc_security_group_ids = var.security_group_ids

  iam_instance_profile {
    name = var.instance_profile
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_autoscaling_group" "this" {
  name                      = "${var.name}-${var.ami_id}"
  vpc_zone_identifier       = var.subnet_ids
  min_size                  = var.members
  max_size                  = var.max_size
  min_elb_capacity          = var.members
  wait_for_capacity_timeout = var.wait_for_capacity_timeout
  health_check_type         = "ELB"
  health_check_grace_period = var.grace
  load_balancers            = var.load_balancers
  target_group_arns         = var.target_group_arns

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  lifecycle {
    create_before_destroy = true
  }
}
