# Clients reach the load balancer, the load balancer reaches the application's port, and
# instances reach out.

locals {
  # A redirect needs port 80 open; a classic load balancer with a certificate has none.
  open_ports = var.certificate_arn == null ? [80] : var.load_balancer == "classic" ? [443] : [80, 443]
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "The load balancer of ${var.name}"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-load-balancer" })
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = { for pair in setproduct(var.clients, local.open_ports) : "${pair[0]} ${pair[1]}" => { cidr = pair[0], port = pair[1] } }

  security_group_id = aws_security_group.load_balancer.id
  description       = "Clients"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# Verify hooks and the probe run in the VPC: a runner or an instance of it.
resource "aws_vpc_security_group_ingress_rule" "test" {
  count = local.paired ? 1 : 0

  security_group_id = aws_security_group.load_balancer.id
  description       = "The test listener, from the VPC"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = var.test_port
  to_port           = var.test_port
}

resource "aws_vpc_security_group_egress_rule" "to_instances" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "The application and its health check"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_security_group" "instances" {
  name        = "${var.name}-instances"
  description = "The instances of ${var.name}"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-instances" })
}

resource "aws_vpc_security_group_ingress_rule" "from_load_balancer" {
  security_group_id            = aws_security_group.instances.id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_vpc_security_group_egress_rule" "anywhere" {
  security_group_id = aws_security_group.instances.id
  description       = "Package mirrors, AWS APIs, whatever the application needs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
