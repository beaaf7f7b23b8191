output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Where the load balancer is, a subnet per zone."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]
}

output "subnet_ids" {
  description = "Where the instances run, a subnet per zone: subnet_ids of the release module."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "security_group_ids" {
  description = "security_group_ids of the release module."
  value       = [aws_security_group.instances.id]
}

output "instance_profile" {
  description = "instance_profile of the release module."
  value       = aws_iam_instance_profile.instances.name
}

output "role_name" {
  description = "The instances' role, to give it more policies."
  value       = aws_iam_role.instances.name
}

output "load_balancer_name" {
  description = "The classic load balancer to attach releases to; null with an application load balancer."
  value       = one(aws_elb.this[*].name)
}

output "target_group_arn" {
  description = "The target group to attach releases to; null with a classic load balancer."
  value       = one(aws_lb_target_group.this[*].arn)
}

output "listener_arn" {
  description = "The listener that clients reach, for rules of your own; null with a classic load balancer."
  value       = local.live_listener
}

output "pair" {
  description = "The listener, target groups and test listener of a pair; null without one."
  value = local.paired ? {
    listener      = local.live_listener
    target_groups = [aws_lb_target_group.this[0].name, aws_lb_target_group.second[0].name]
    test_listener = aws_lb_listener.test[0].arn
  } : null
}

output "test_url" {
  description = "Where a release answers before it has traffic, from the VPC; null without a pair."
  value       = local.paired ? "${local.encrypted ? "https" : "http"}://${aws_lb.this[0].dns_name}:${var.test_port}" : null
}

output "url" {
  description = "Where the application answers. A certificate is for a name of your own, which is to point here."
  value       = "${local.encrypted ? "https" : "http"}://${one(concat(aws_lb.this[*].dns_name, aws_elb.this[*].dns_name))}"
}

locals {
  live_listener = local.encrypted ? one(aws_lb_listener.https[*].arn) : one(aws_lb_listener.http[*].arn)

  traffic_lines = local.paired ? [
    "",
    "[[environments.NAME.pairs]]",
    "listener = ${jsonencode(local.live_listener)}",
    "target_groups = ${jsonencode(concat(aws_lb_target_group.this[*].name, aws_lb_target_group.second[*].name))}",
    "test_listener = ${jsonencode(one(aws_lb_listener.test[*].arn))}",
    "",
    "[environments.NAME.promote]",
    "strategy = \"flip\"",
    ] : [
    "${var.load_balancer == "classic" ? "load_balancers" : "target_groups"} = ${jsonencode(concat(aws_elb.this[*].name, aws_lb_target_group.this[*].name))}",
  ]
}

output "pipeline_toml" {
  description = "What pipeline.toml needs to know of this stack, ready to paste for the environment NAME."
  value       = <<-EOT
    [environments.NAME]
    ${join("\n", local.traffic_lines)}

    [environments.NAME.terraform.inputs]
    subnet_ids = ${jsonencode([for zone in local.zones : aws_subnet.private[zone].id])}
    security_group_ids = ${jsonencode([aws_security_group.instances.id])}
    instance_profile = ${jsonencode(aws_iam_instance_profile.instances.name)}
    deregistration_delay = ${var.deregistration_delay}
  EOT
}
