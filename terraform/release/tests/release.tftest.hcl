# The resources of a release, without AWS: the provider is mocked.

mock_provider "aws" {
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
}

variables {
  app         = "web"
  environment = "staging"
  releases = {
    r000123 = {
      ami_id           = "ami-0123456789abcdef0"
      instance_type    = "t3.micro"
      min_size         = 1
      max_size         = 4
      desired_capacity = 2
      facts            = { version = "1.4.1", deployment = "d-123" }
    }
  }
  subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_ids = ["sg-0123456789abcdef0"]
  instance_profile   = "web-staging-instances"
  tags               = { Team = "shop" }
}

run "a_release_is_a_launch_template_and_a_group_of_its_name" {
  assert {
    condition     = aws_launch_template.this["r000123"].name == "web-staging-r000123"
    error_message = aws_launch_template.this["r000123"].name
  }

  assert {
    condition     = aws_autoscaling_group.this["r000123"].name == "web-staging-r000123"
    error_message = aws_autoscaling_group.this["r000123"].name
  }

  assert {
    condition = (
      aws_autoscaling_group.this["r000123"].launch_template[0].id == aws_launch_template.this["r000123"].id &&
      aws_autoscaling_group.this["r000123"].launch_template[0].version == tostring(aws_launch_template.this["r000123"].latest_version)
    )
    error_message = "The group must name a numbered version of its own launch template."
  }

  assert {
    condition     = [for size in ["min_size", "desired_capacity", "max_size"] : aws_autoscaling_group.this["r000123"][size]] == [1, 2, 4]
    error_message = "The sizes at birth are those given."
  }

  assert {
    condition = (
      aws_autoscaling_group.this["r000123"].wait_for_capacity_timeout == "0" &&
      aws_autoscaling_group.this["r000123"].force_delete == false
    )
    error_message = "Terraform neither waits for capacity nor deletes by force."
  }

  assert {
    condition = (
      output.releases["r000123"].group_name == "web-staging-r000123" &&
      output.releases["r000123"].launch_template_id == aws_launch_template.this["r000123"].id &&
      output.releases["r000123"].launch_template_version == tostring(aws_launch_template.this["r000123"].latest_version) &&
      output.releases["r000123"].ami_id == "ami-0123456789abcdef0"
    )
    error_message = "The contract with the pipeline is broken."
  }
}

run "instances_are_encrypted_and_ask_for_version_2_of_the_metadata_service" {
  assert {
    condition = (
      aws_launch_template.this["r000123"].metadata_options[0].http_tokens == "required" &&
      aws_launch_template.this["r000123"].metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "IMDSv2 must be required, one hop away."
  }

  assert {
    condition = (
      aws_launch_template.this["r000123"].block_device_mappings[0].device_name == "/dev/xvda" &&
      aws_launch_template.this["r000123"].block_device_mappings[0].ebs[0].encrypted == "true" &&
      aws_launch_template.this["r000123"].block_device_mappings[0].ebs[0].volume_type == "gp3"
    )
    error_message = "The root volume must be encrypted, of type gp3."
  }
}

run "tags_say_which_release_it_is" {
  assert {
    condition = aws_launch_template.this["r000123"].tags == tomap({
      "Name"                     = "web-staging-r000123"
      "Team"                     = "shop"
      "ami-pipeline:app"         = "web"
      "ami-pipeline:environment" = "staging"
      "ami-pipeline:release"     = "r000123"
      "ami-pipeline:image"       = "ami-0123456789abcdef0"
      "ami-pipeline:deployment"  = "d-123"
      "ami-pipeline:version"     = "1.4.1"
    })
    error_message = jsonencode(aws_launch_template.this["r000123"].tags)
  }

  assert {
    condition = alltrue([
      for specification in aws_launch_template.this["r000123"].tag_specifications :
      specification.tags == aws_launch_template.this["r000123"].tags
      ]) && toset(aws_launch_template.this["r000123"].tag_specifications[*].resource_type) == toset([
      "instance", "volume", "network-interface",
    ])
    error_message = "Instances, volumes and network interfaces have the release's tags."
  }

  assert {
    condition = (
      tomap({ for tag in aws_autoscaling_group.this["r000123"].tag : tag.key => tag.value }) == aws_launch_template.this["r000123"].tags &&
      !anytrue([for tag in aws_autoscaling_group.this["r000123"].tag : tag.propagate_at_launch])
    )
    error_message = "The group has the release's tags and leaves its instances' to the launch template."
  }
}

run "user_data_writes_the_facts_and_nothing_else" {
  assert {
    condition = strcontains(
      base64decode(aws_launch_template.this["r000123"].user_data),
      "\n{\"app\":\"web\",\"deployment\":\"d-123\",\"environment\":\"staging\",\"image\":\"ami-0123456789abcdef0\",\"release\":\"r000123\",\"version\":\"1.4.1\"}\n"
    )
    error_message = base64decode(aws_launch_template.this["r000123"].user_data)
  }

  assert {
    condition = endswith(
      base64decode(aws_launch_template.this["r000123"].user_data),
      "mv \"$ROOT/etc/web/release.json.new\" \"$ROOT/etc/web/release.json\"\n"
    )
    error_message = base64decode(aws_launch_template.this["r000123"].user_data)
  }
}

# The runs above applied r000123, so this is its second apply.
run "inputs_and_sizes_that_changed_leave_a_release_as_it_was" {
  variables {
    releases = {
      r000123 = {
        ami_id           = "ami-0123456789abcdef0"
        instance_type    = "t3.large"
        min_size         = 5
        max_size         = 9
        desired_capacity = 6
        facts            = { version = "1.4.1", deployment = "d-123" }
      }
      r000124 = {
        ami_id           = "ami-0123456789abcdef1"
        instance_type    = "t3.large"
        min_size         = 5
        max_size         = 9
        desired_capacity = 6
        facts            = { version = "1.4.2", deployment = "d-124", root_device = "/dev/sda1" }
      }
    }
    subnet_ids           = ["subnet-0123456789abcdef2"]
    health_check_type    = "EC2"
    metadata_hop_limit   = 2
    metadata_tags        = true
    user_data            = "echo \"$HOME $${x}\" 'and %%{ if }'"
    tags                 = { Team = "other" }
    deregistration_delay = 30
    lifecycle_hooks = [
      { name = "warm", transition = "launching", heartbeat_timeout = 90 },
      { name = "bye", transition = "terminating", heartbeat_timeout = 600, default_result = "CONTINUE" },
    ]
    scaling_policies = { cpu = { metric = "cpu", target = 50 } }
  }

  assert {
    condition = (
      aws_launch_template.this["r000123"].instance_type == "t3.micro" &&
      aws_launch_template.this["r000123"].tags["Team"] == "shop" &&
      aws_launch_template.this["r000123"].metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "The launch template of a release never changes."
  }

  assert {
    condition     = [for size in ["min_size", "desired_capacity", "max_size"] : aws_autoscaling_group.this["r000123"][size]] == [1, 2, 4]
    error_message = "The sizes of a group are not Terraform's once it is there."
  }

  assert {
    condition = (
      aws_autoscaling_group.this["r000123"].health_check_type == "ELB" &&
      length(aws_autoscaling_group.this["r000123"].vpc_zone_identifier) == 2 &&
      length(aws_autoscaling_group.this["r000123"].initial_lifecycle_hook) == 0
    )
    error_message = "The group of a release stays as it was made."
  }

  assert {
    condition = (
      aws_launch_template.this["r000124"].instance_type == "t3.large" &&
      aws_launch_template.this["r000124"].tags["Team"] == "other" &&
      aws_launch_template.this["r000124"].metadata_options[0].instance_metadata_tags == "enabled" &&
      aws_autoscaling_group.this["r000124"].health_check_type == "EC2" &&
      aws_autoscaling_group.this["r000124"].desired_capacity == 6
    )
    error_message = "The next release has what changed."
  }

  assert {
    condition     = aws_launch_template.this["r000124"].block_device_mappings[0].device_name == "/dev/sda1"
    error_message = "The pipeline knows the image's root device and says it as a fact."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.this["r000124"].user_data), "\necho \"$HOME $${x}\" 'and %%{ if }'\n")
    error_message = base64decode(aws_launch_template.this["r000124"].user_data)
  }

  assert {
    condition     = aws_autoscaling_group.this["r000124"].timeouts.delete == "1320s" # 30 + 90 + 600 + 600
    error_message = aws_autoscaling_group.this["r000124"].timeouts.delete
  }

  assert {
    condition = toset([for hook in aws_autoscaling_group.this["r000124"].initial_lifecycle_hook : "${hook.lifecycle_transition} ${hook.default_result}"]) == toset([
      "autoscaling:EC2_INSTANCE_LAUNCHING ABANDON", "autoscaling:EC2_INSTANCE_TERMINATING CONTINUE",
    ])
    error_message = jsonencode(aws_autoscaling_group.this["r000124"].initial_lifecycle_hook)
  }

  assert {
    condition     = toset(keys(aws_autoscaling_policy.this)) == toset(["r000123/cpu", "r000124/cpu"])
    error_message = "Each group has each policy."
  }
}

run "removing_one_release_leaves_the_other" {
  variables {
    releases = {
      r000124 = {
        ami_id           = "ami-0123456789abcdef1"
        instance_type    = "t3.large"
        min_size         = 5
        max_size         = 9
        desired_capacity = 6
      }
    }
  }

  assert {
    condition     = keys(aws_launch_template.this) == ["r000124"] && keys(aws_autoscaling_group.this) == ["r000124"]
    error_message = "r000123 must be gone."
  }

  assert {
    condition = (
      aws_launch_template.this["r000124"].id == run.inputs_and_sizes_that_changed_leave_a_release_as_it_was.releases["r000124"].launch_template_id &&
      aws_launch_template.this["r000124"].tags["Team"] == "other"
    )
    error_message = "r000124 must be the same as before."
  }
}
