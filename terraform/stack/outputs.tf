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

output "url" {
  description = "Where the application answers. A certificate is for a name of your own, which is to point here."
  value       = "${local.encrypted ? "https" : "http"}://${one(concat(aws_lb.this[*].dns_name, aws_elb.this[*].dns_name))}"
}

output "pipeline_toml" {
  description = "What pipeline.toml needs to know of this stack, ready to paste for the environment NAME."
  value       = <<-EOT
    [environments.NAME]
    ${var.load_balancer == "classic" ? "load_balancers" : "target_groups"} = ${jsonencode(concat(aws_elb.this[*].name, aws_lb_target_group.this[*].name))}

    [environments.NAME.terraform.inputs]
    subnet_ids = ${jsonencode([for zone in local.zones : aws_subnet.private[zone].id])}
    security_group_ids = ${jsonencode([aws_security_group.instances.id])}
    instance_profile = ${jsonencode(aws_iam_instance_profile.instances.name)}
    deregistration_delay = ${var.deregistration_delay}
  EOT
}
