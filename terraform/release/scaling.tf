# Policies and schedules belong to a group in AWS, so each group has its own: while two releases
# run, each scales by its own metrics. A release keeps those that it was made with: one that the
# inputs no longer have stays as it is (`ignore_changes`), whatever stands here in its place.

locals {
  no_policy   = { metric = "cpu", target = 100, target_group_arn = null, disable_scale_in = true }
  no_schedule = { recurrence = "0 0 1 1 *", time_zone = "Etc/UTC", min_size = null, max_size = null, desired_capacity = null }

  policies = merge([
    for release, given in var.releases : {
      for name in coalesce(given.policies, keys(var.scaling_policies)) :
      "${release}/${name}" => merge(lookup(var.scaling_policies, name, local.no_policy), { release = release, name = name })
    }
  ]...)

  schedules = merge([
    for release, given in var.releases : {
      for name in coalesce(given.schedules, keys(var.schedules)) :
      "${release}/${name}" => merge(lookup(var.schedules, name, local.no_schedule), { release = release, name = name })
    }
  ]...)

  metrics = {
    cpu         = "ASGAverageCPUUtilization"
    network_in  = "ASGAverageNetworkIn"
    network_out = "ASGAverageNetworkOut"
  }
}

resource "aws_autoscaling_policy" "this" {
  for_each = local.policies

  name                   = each.value.name
  autoscaling_group_name = aws_autoscaling_group.this[each.value.release].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value     = each.value.target
    disable_scale_in = each.value.disable_scale_in

    dynamic "predefined_metric_specification" {
      for_each = each.value.metric == "requests" ? [] : [local.metrics[each.value.metric]]

      content {
        predefined_metric_type = predefined_metric_specification.value
      }
    }

    # Not ALBRequestCountPerTarget: AWS accepts it only for a group that is attached to the target
    # group, and a new release is attached last.
    dynamic "customized_metric_specification" {
      for_each = each.value.metric == "requests" ? [each.value.target_group_arn] : []

      content {
        namespace   = "AWS/ApplicationELB"
        metric_name = "RequestCountPerTarget"
        statistic   = "Sum"

        metric_dimension {
          name  = "TargetGroup"
          value = regex("targetgroup/[^/]+/[0-9a-f]+$", customized_metric_specification.value)
        }
      }
    }
  }

  lifecycle {
    ignore_changes = all
  }
}

resource "aws_autoscaling_schedule" "this" {
  for_each = local.schedules

  scheduled_action_name  = each.value.name
  autoscaling_group_name = aws_autoscaling_group.this[each.value.release].name
  recurrence             = each.value.recurrence
  time_zone              = each.value.time_zone

  # The provider's -1 is AWS's "leave it as it is".
  min_size         = coalesce(each.value.min_size, -1)
  max_size         = coalesce(each.value.max_size, -1)
  desired_capacity = coalesce(each.value.desired_capacity, -1)

  lifecycle {
    ignore_changes = all
  }
}
