# The application load balancer, its target groups and its listeners. The pipeline decides which
# group of instances is behind it, so nothing is registered here. With a pair it also decides which
# target group has the traffic, so the weights are ignored after the creation.

locals {
  application = var.load_balancer == "application"
  encrypted   = var.certificate_arn != null
  paired      = local.application && var.pair
  # The weights of the target groups that share a listener: a single one needs none.
  weights = local.paired ? [
    { arn = aws_lb_target_group.this[0].arn, live = 100, test = 0 },
    { arn = aws_lb_target_group.second[0].arn, live = 0, test = 100 },
  ] : []
  single = local.application && !var.pair ? aws_lb_target_group.this[0].arn : null
}

resource "aws_lb" "this" {
  count = local.application ? 1 : 0

  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = [for zone in local.zones : aws_subnet.public[zone].id]
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  tags                       = var.tags

  lifecycle {
    precondition {
      condition     = var.zones >= 2
      error_message = "An application load balancer needs two availability zones."
    }
  }

  # Its address needs a route out of the VPC.
  depends_on = [aws_internet_gateway.this]
}

resource "aws_lb_target_group" "this" {
  count = local.application ? 1 : 0

  name                 = var.name
  vpc_id               = aws_vpc.this.id
  target_type          = "instance"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = var.deregistration_delay
  tags                 = var.tags

  health_check {
    protocol            = "HTTP"
    path                = var.health_check.path
    matcher             = "200"
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy
    unhealthy_threshold = var.health_check.unhealthy
  }
}

# The second target group of a pair. It is idle until the first release that goes there.
resource "aws_lb_target_group" "second" {
  count = local.paired ? 1 : 0

  name                 = "${var.name}-2"
  vpc_id               = aws_vpc.this.id
  target_type          = "instance"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = var.deregistration_delay
  tags                 = var.tags

  health_check {
    protocol            = "HTTP"
    path                = var.health_check.path
    matcher             = "200"
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy
    unhealthy_threshold = var.health_check.unhealthy
  }

  lifecycle {
    precondition {
      condition     = length(var.name) <= 30
      error_message = "With a pair, name has at most 30 characters: the second target group is NAME-2."
    }
  }
}

resource "aws_lb_listener" "http" {
  count = local.application ? 1 : 0

  load_balancer_arn = aws_lb.this[0].arn
  port              = 80
  protocol          = "HTTP"
  tags              = var.tags

  default_action {
    type             = local.encrypted ? "redirect" : "forward"
    target_group_arn = local.encrypted ? null : local.single

    dynamic "forward" {
      for_each = local.paired && !local.encrypted ? ["pair"] : []

      content {
        dynamic "target_group" {
          for_each = local.weights

          content {
            arn    = target_group.value.arn
            weight = target_group.value.live
          }
        }
      }
    }

    dynamic "redirect" {
      for_each = local.encrypted ? ["HTTPS"] : []

      content {
        protocol    = redirect.value
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action[0].forward[0].target_group]
  }
}

resource "aws_lb_listener" "https" {
  count = local.application && local.encrypted ? 1 : 0

  load_balancer_arn = aws_lb.this[0].arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = local.single

    dynamic "forward" {
      for_each = local.paired ? ["pair"] : []

      content {
        dynamic "target_group" {
          for_each = local.weights

          content {
            arn    = target_group.value.arn
            weight = target_group.value.live
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action[0].forward[0].target_group]
  }
}

# Reaches a release that has no traffic yet: the pipeline points it to the idle target group.
resource "aws_lb_listener" "test" {
  count = local.paired ? 1 : 0

  load_balancer_arn = aws_lb.this[0].arn
  port              = var.test_port
  protocol          = local.encrypted ? "HTTPS" : "HTTP"
  certificate_arn   = var.certificate_arn
  ssl_policy        = local.encrypted ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  tags              = var.tags

  default_action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = local.weights

        content {
          arn    = target_group.value.arn
          weight = target_group.value.test
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action[0].forward[0].target_group]
  }
}
