# Policies and schedules, without AWS.

mock_provider "aws" {}

variables {
  app         = "web"
  environment = "staging"
  releases = {
    r000123 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 4, desired_capacity = 2 }
  }
  subnet_ids         = ["subnet-0123456789abcdef0"]
  security_group_ids = ["sg-0123456789abcdef0"]
  scaling_policies = {
    cpu = { metric = "cpu", target = 50 }
    requests = {
      metric           = "requests"
      target           = 1000
      target_group_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/0123456789abcdef"
    }
  }
  schedules = { night = { recurrence = "0 22 * * *", min_size = 0 } }
}

run "policies_and_schedules_belong_to_the_group" {
  command = plan

  assert {
    condition     = aws_autoscaling_policy.this["r000123/cpu"].target_tracking_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ASGAverageCPUUtilization"
    error_message = "cpu is the group's average."
  }

  assert {
    condition = [
      for dimension in aws_autoscaling_policy.this["r000123/requests"].target_tracking_configuration[0].customized_metric_specification[0].metric_dimension :
      "${dimension.name}=${dimension.value}"
    ] == ["TargetGroup=targetgroup/web/0123456789abcdef"]
    error_message = "requests is the target group's metric, which needs no attachment."
  }

  assert {
    condition = [
      for size in ["min_size", "desired_capacity", "max_size"] : aws_autoscaling_schedule.this["r000123/night"][size]
    ] == [0, -1, -1]
    error_message = "What a schedule does not say stays as it is."
  }

  assert {
    condition     = aws_autoscaling_schedule.this["r000123/night"].autoscaling_group_name == "web-staging-r000123"
    error_message = aws_autoscaling_schedule.this["r000123/night"].autoscaling_group_name
  }
}

run "a_release_keeps_what_it_was_made_with" {
  command = plan

  variables {
    releases = {
      r000123 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 4, desired_capacity = 2, policies = ["memory"], schedules = [] }
      r000124 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 4, desired_capacity = 2, policies = ["cpu", "requests"], schedules = ["night"] }
    }
  }

  assert {
    condition     = keys(aws_autoscaling_policy.this) == ["r000123/memory", "r000124/cpu", "r000124/requests"]
    error_message = "A new policy is for the new release, and one that the inputs lost stays."
  }

  assert {
    condition     = keys(aws_autoscaling_schedule.this) == ["r000124/night"]
    error_message = "A release without schedules gets none."
  }
}
