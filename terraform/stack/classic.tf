# The classic load balancer. It has no `instances`: the pipeline decides which group serves.

resource "aws_elb" "this" {
  count = var.load_balancer == "classic" ? 1 : 0

  name                        = var.name
  internal                    = false
  subnets                     = [for zone in local.zones : aws_subnet.public[zone].id]
  security_groups             = [aws_security_group.load_balancer.id]
  cross_zone_load_balancing   = true
  connection_draining         = true
  connection_draining_timeout = var.deregistration_delay
  tags                        = var.tags

  listener {
    lb_protocol        = local.encrypted ? "https" : "http"
    lb_port            = local.encrypted ? 443 : 80
    instance_protocol  = "http"
    instance_port      = var.port
    ssl_certificate_id = var.certificate_arn
  }

  # The provider crashes while it reads a classic load balancer without one.
  health_check {
    target              = "HTTP:${var.port}${var.health_check.path}"
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy
    unhealthy_threshold = var.health_check.unhealthy
  }

  depends_on = [aws_internet_gateway.this]
}
