# Both kinds of load balancer over several zones, without AWS: the provider is mocked.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { dns_suffix = "amazonaws.com" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/0123456789abcdef", dns_name = "application.example" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_elb" {
    defaults = { dns_name = "classic.example" }
  }
}

variables {
  name = "web-staging"
}

run "an_application_load_balancer_forwards_to_a_target_group" {
  assert {
    condition = (
      aws_lb_listener.http[0].default_action[0].target_group_arn == aws_lb_target_group.this[0].arn &&
      length(aws_lb_listener.https) == 0 && length(aws_elb.this) == 0
    )
    error_message = "HTTP must be forwarded to the one target group."
  }

  assert {
    condition = (
      aws_lb_target_group.this[0].deregistration_delay == "60" &&
      aws_lb_target_group.this[0].health_check[0].path == "/health" &&
      aws_lb_target_group.this[0].port == 8080
    )
    error_message = "The target group checks /health on the application's port and drains for a minute."
  }

  assert {
    condition     = output.target_group_arn == aws_lb_target_group.this[0].arn && output.load_balancer_name == null
    error_message = "The outputs name what to attach releases to."
  }

  assert {
    condition     = startswith(output.pipeline_toml, "[environments.NAME]\ntarget_groups = [\"web-staging\"]\n\n")
    error_message = output.pipeline_toml
  }

  assert {
    condition     = output.url == "http://application.example"
    error_message = output.url
  }
}

run "each_zone_has_a_public_and_a_private_subnet" {
  assert {
    condition = (
      { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } == { eu-central-1a = "10.20.0.0/20", eu-central-1b = "10.20.16.0/20" } &&
      { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { eu-central-1a = "10.20.128.0/20", eu-central-1b = "10.20.144.0/20" }
    )
    error_message = "Two zones, each with a public and a private subnet."
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "One NAT gateway serves both zones."
  }

  assert {
    condition     = output.subnet_ids == [aws_subnet.private["eu-central-1a"].id, aws_subnet.private["eu-central-1b"].id]
    error_message = "Instances belong in the private subnets."
  }
}

run "only_the_load_balancer_reaches_the_instances" {
  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.from_load_balancer.referenced_security_group_id == aws_security_group.load_balancer.id &&
      aws_vpc_security_group_ingress_rule.from_load_balancer.from_port == 8080 &&
      aws_vpc_security_group_ingress_rule.from_load_balancer.to_port == 8080
    )
    error_message = "The application's port is open to the load balancer alone."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.clients) == ["0.0.0.0/0 80"]
    error_message = "Without a certificate port 80 alone is open."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.instances) == 0
    error_message = "The role may do nothing until it is given policies."
  }
}

run "a_certificate_makes_http_a_redirect" {
  variables {
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  assert {
    condition = (
      aws_lb_listener.http[0].default_action[0].type == "redirect" &&
      aws_lb_listener.https[0].default_action[0].target_group_arn == aws_lb_target_group.this[0].arn
    )
    error_message = "HTTPS is forwarded, HTTP redirected."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.clients)) == toset(["0.0.0.0/0 80", "0.0.0.0/0 443"])
    error_message = jsonencode(keys(aws_vpc_security_group_ingress_rule.clients))
  }

  assert {
    condition     = output.url == "https://application.example"
    error_message = output.url
  }
}

run "a_pair_shares_the_listener_and_its_idle_group_is_behind_the_test_listener" {
  variables {
    pair      = true
    test_port = 9001
  }

  assert {
    condition = (
      toset([for group in aws_lb_listener.http[0].default_action[0].forward[0].target_group : group.weight]) == toset([100, 0]) &&
      toset([for group in aws_lb_listener.test[0].default_action[0].forward[0].target_group : group.weight]) == toset([0, 100]) &&
      aws_lb_listener.test[0].port == 9001 && aws_lb_listener.test[0].protocol == "HTTP"
    )
    error_message = "The first target group has all traffic, the test listener reaches the second."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.test[0].cidr_ipv4 == "10.20.0.0/16" &&
      aws_vpc_security_group_ingress_rule.test[0].from_port == 9001 &&
      keys(aws_vpc_security_group_ingress_rule.clients) == ["0.0.0.0/0 80"]
    )
    error_message = "The VPC alone reaches the test listener."
  }

  assert {
    condition     = startswith(output.pipeline_toml, "[environments.NAME]\n\n[[environments.NAME.pairs]]\nlistener = \"${aws_lb_listener.http[0].arn}\"\ntarget_groups = [\"web-staging\",\"web-staging-2\"]\ntest_listener = \"${aws_lb_listener.test[0].arn}\"\n\n[environments.NAME.promote]\nstrategy = \"flip\"\n\n[environments.NAME.terraform.inputs]\n")
    error_message = output.pipeline_toml
  }

  assert {
    condition     = output.test_url == "http://application.example:9001" && output.pair.target_groups == ["web-staging", "web-staging-2"]
    error_message = jsonencode(output.pair)
  }
}

run "a_pair_with_a_certificate_is_behind_https" {
  variables {
    pair            = true
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  assert {
    condition = (
      aws_lb_listener.http[0].default_action[0].type == "redirect" &&
      length(aws_lb_listener.https[0].default_action[0].forward[0].target_group) == 2 &&
      aws_lb_listener.test[0].protocol == "HTTPS" && output.pair.listener == aws_lb_listener.https[0].arn
    )
    error_message = "HTTPS and the test listener have the pair, HTTP redirects."
  }
}

run "the_second_target_group_has_room_for_its_name" {
  command = plan

  variables {
    name = "a123456789012345678901234567890"
    pair = true
  }

  expect_failures = [aws_lb_target_group.second]
}

run "one_more_zone_moves_no_subnet" {
  command = plan

  variables {
    zones = 3
    nat   = "zone"
  }

  assert {
    condition     = aws_subnet.private["eu-central-1a"].cidr_block == "10.20.128.0/20" && aws_subnet.private["eu-central-1c"].cidr_block == "10.20.160.0/20"
    error_message = "The third zone takes the next networks."
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    error_message = "Each zone has a NAT gateway of its own."
  }
}

run "a_classic_load_balancer_drains_and_checks" {
  variables {
    load_balancer        = "classic"
    deregistration_delay = 90
    nat                  = "none"
    zones                = 3
    port                 = 3000
    health_check         = { path = "/up" }
  }

  assert {
    condition = (
      aws_elb.this[0].connection_draining && aws_elb.this[0].connection_draining_timeout == 90 &&
      aws_elb.this[0].cross_zone_load_balancing && aws_elb.this[0].health_check[0].target == "HTTP:3000/up"
    )
    error_message = "Draining, cross-zone balancing and the health check are on."
  }

  assert {
    condition     = [for listener in aws_elb.this[0].listener : "${listener.lb_protocol} ${listener.lb_port} ${listener.instance_port}"] == ["http 80 3000"]
    error_message = jsonencode(aws_elb.this[0].listener)
  }

  assert {
    condition     = output.load_balancer_name == "web-staging" && output.target_group_arn == null && length(aws_lb.this) == 0
    error_message = "There is a classic load balancer and no other."
  }

  assert {
    condition     = output.url == "http://classic.example"
    error_message = output.url
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_route.nat) == 0
    error_message = "No NAT gateway, and no route to one."
  }

  assert {
    condition = (
      startswith(output.pipeline_toml, "[environments.NAME]\nload_balancers = [\"web-staging\"]\n\n[environments.NAME.terraform.inputs]\n") &&
      strcontains(output.pipeline_toml, "subnet_ids = ${jsonencode(output.subnet_ids)}\n") &&
      strcontains(output.pipeline_toml, "deregistration_delay = 90\n")
    )
    error_message = output.pipeline_toml
  }
}

run "a_classic_load_balancer_with_a_certificate_has_https_alone" {
  command = plan

  variables {
    load_balancer   = "classic"
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  assert {
    condition     = [for listener in aws_elb.this[0].listener : "${listener.lb_protocol} ${listener.lb_port}"] == ["https 443"]
    error_message = jsonencode(aws_elb.this[0].listener)
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.clients) == ["0.0.0.0/0 443"]
    error_message = jsonencode(keys(aws_vpc_security_group_ingress_rule.clients))
  }
}

run "an_application_load_balancer_needs_two_zones" {
  command = plan

  variables {
    zones = 1
  }

  expect_failures = [aws_lb.this]
}

run "a_health_check_ends_before_the_next" {
  command = plan

  variables {
    health_check = { interval = 5, timeout = 5 }
  }

  expect_failures = [var.health_check]
}
