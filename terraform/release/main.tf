# One launch template and one Auto Scaling group per release, and nothing that several releases
# share. Existing releases never change: changed inputs apply to the next one, so a plan for a new
# release never contains a change of the serving one.

locals {
  name = { for release in keys(var.releases) : release => "${var.app}-${var.environment}-${release}" }

  # For `status`, the bill, and the owner of an orphan.
  tags = {
    for release, given in var.releases : release => merge(
      var.tags,
      {
        "Name"                     = local.name[release]
        "ami-pipeline:app"         = var.app
        "ami-pipeline:environment" = var.environment
        "ami-pipeline:release"     = release
        "ami-pipeline:image"       = given.ami_id
      },
      { for fact in ["deployment", "version"] : "ami-pipeline:${fact}" => given.facts[fact] if lookup(given.facts, fact, "") != "" },
    )
  }

  release_json = {
    for release, given in var.releases : release => jsonencode(merge(given.facts, {
      app         = var.app
      environment = var.environment
      release     = release
      image       = given.ami_id
    }))
  }

  user_data = {
    for release in keys(var.releases) : release => templatefile(
      var.user_data_template == null ? "${path.module}/user-data.sh.tftpl" : var.user_data_template,
      {
        app          = var.app
        environment  = var.environment
        release      = release
        release_json = local.release_json[release]
        user_data    = var.user_data
        vars         = var.user_data_vars
      }
    )
  }

  # Deleting a group takes as long as its slowest instance: a hook at its launch that must end
  # first, the draining, the hooks at its end, and ten minutes for EC2 (what the provider allows
  # for everything, and so gives up in the middle of a draining that is followed by a hook). It is
  # a limit, not a wait: a sum is right whether hooks run one after another or together.
  delete_seconds = var.deregistration_delay + sum(concat([0], var.lifecycle_hooks[*].heartbeat_timeout)) + 600
}

resource "aws_launch_template" "this" {
  for_each = var.releases

  name          = local.name[each.key]
  description   = "${var.app} ${each.key} in ${var.environment}"
  image_id      = each.value.ami_id
  instance_type = each.value.instance_type
  key_name      = var.key_name
  user_data     = base64encode(local.user_data[each.key])
  tags          = local.tags[each.key]

  vpc_security_group_ids = var.security_group_ids

  dynamic "iam_instance_profile" {
    for_each = var.instance_profile == null ? [] : [var.instance_profile]

    content {
      arn  = startswith(iam_instance_profile.value, "arn:") ? iam_instance_profile.value : null
      name = startswith(iam_instance_profile.value, "arn:") ? null : iam_instance_profile.value
    }
  }

  block_device_mappings {
    device_name = coalesce(var.root_volume.device_name, lookup(each.value.facts, "root_device", ""), "/dev/xvda")

    ebs {
      volume_type           = var.root_volume.type
      volume_size           = var.root_volume.size
      encrypted             = var.root_volume.encrypted
      kms_key_id            = var.root_volume.kms_key_id
      delete_on_termination = true
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.metadata_hop_limit
    instance_metadata_tags      = var.metadata_tags ? "enabled" : "disabled"
  }

  monitoring {
    enabled = var.detailed_monitoring
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = local.tags[each.key]
    }
  }

  lifecycle {
    # A second version would be a different release with the same name.
    ignore_changes = all

    # Otherwise EC2 refuses every launch, which only the group's activities show.
    precondition {
      condition     = length(base64encode(local.user_data[each.key])) <= 21848 # 16384 bytes
      error_message = "The user data of ${each.key} is longer than 16 KB, which is all EC2 takes."
    }

    precondition {
      condition     = !var.metadata_tags || !anytrue([for key in keys(var.tags) : can(regex("[ /]", key))])
      error_message = "metadata_tags needs tag keys without a space or a slash."
    }
  }
}

resource "aws_autoscaling_group" "this" {
  for_each = var.releases

  name                = local.name[each.key]
  vpc_zone_identifier = var.subnet_ids

  min_size         = each.value.min_size
  max_size         = each.value.max_size
  desired_capacity = each.value.desired_capacity

  health_check_type         = var.health_check_type
  health_check_grace_period = var.health_check_grace_period
  default_instance_warmup   = var.default_instance_warmup
  termination_policies      = var.termination_policies
  max_instance_lifetime     = var.max_instance_lifetime
  enabled_metrics           = var.enabled_metrics
  protect_from_scale_in     = false

  # The pipeline waits and shows the reason. Terraform counts an instance that the load balancer
  # does not list as healthy.
  wait_for_capacity_timeout = "0"
  # A forced deletion drops the requests in flight.
  force_delete = false

  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }

  dynamic "initial_lifecycle_hook" {
    for_each = var.lifecycle_hooks

    content {
      name                    = initial_lifecycle_hook.value.name
      lifecycle_transition    = "autoscaling:EC2_INSTANCE_${upper(initial_lifecycle_hook.value.transition)}"
      heartbeat_timeout       = initial_lifecycle_hook.value.heartbeat_timeout
      default_result          = initial_lifecycle_hook.value.default_result
      notification_metadata   = initial_lifecycle_hook.value.notification_metadata
      notification_target_arn = initial_lifecycle_hook.value.notification_target_arn
      role_arn                = initial_lifecycle_hook.value.role_arn
    }
  }

  dynamic "tag" {
    for_each = local.tags[each.key]

    content {
      key   = tag.key
      value = tag.value
      # The launch template tags instances, and their volumes and interfaces with them.
      propagate_at_launch = false
    }
  }

  timeouts {
    delete = "${local.delete_seconds}s"
  }

  lifecycle {
    # Not `all`: what is left out here is what an adopted group is given (`import` reads neither
    # timeouts nor force_delete, and only an update writes them to the state).
    ignore_changes = [
      # Owned by Auto Scaling and the pipeline.
      min_size,
      max_size,
      desired_capacity,
      suspended_processes,
      # Owned by the pipeline: which group serves.
      load_balancers,
      target_group_arns,
      traffic_source,
      # Apply to the next release.
      vpc_zone_identifier,
      health_check_type,
      health_check_grace_period,
      default_instance_warmup,
      termination_policies,
      max_instance_lifetime,
      enabled_metrics,
      launch_template,
      initial_lifecycle_hook,
      tag,
    ]
  }
}
