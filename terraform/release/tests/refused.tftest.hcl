# The inputs that the module refuses before it creates anything.

mock_provider "aws" {}

variables {
  app         = "web"
  environment = "staging"
  releases = {
    r000123 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 1, desired_capacity = 1 }
  }
  subnet_ids         = ["subnet-0123456789abcdef0"]
  security_group_ids = ["sg-0123456789abcdef0"]
}

run "app_is_a_name" {
  command = plan

  variables {
    app = "Web"
  }

  expect_failures = [var.app]
}

run "app_fits_every_name" {
  command = plan

  variables {
    app = "a23456789012345678901234567890123"
  }

  expect_failures = [var.app]
}

run "environment_is_a_name" {
  command = plan

  variables {
    environment = "prod-"
  }

  expect_failures = [var.environment]
}

run "a_release_has_six_digits" {
  command = plan

  variables {
    releases = { r124 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 1, desired_capacity = 1 } }
  }

  expect_failures = [var.releases]
}

run "an_image_is_an_id" {
  command = plan

  variables {
    releases = { r000124 = { ami_id = "web-1.4.2", instance_type = "t3.micro", min_size = 1, max_size = 1, desired_capacity = 1 } }
  }

  expect_failures = [var.releases]
}

run "an_instance_type_is_one" {
  command = plan

  variables {
    releases = { r000124 = { ami_id = "ami-0123456789abcdef0", instance_type = "micro", min_size = 1, max_size = 1, desired_capacity = 1 } }
  }

  expect_failures = [var.releases]
}

run "sizes_are_in_order" {
  command = plan

  variables {
    releases = { r000124 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 1, max_size = 2, desired_capacity = 3 } }
  }

  expect_failures = [var.releases]
}

run "sizes_are_whole" {
  command = plan

  variables {
    releases = { r000124 = { ami_id = "ami-0123456789abcdef0", instance_type = "t3.micro", min_size = 0.5, max_size = 2, desired_capacity = 1 } }
  }

  expect_failures = [var.releases]
}

run "there_is_a_subnet" {
  command = plan

  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "a_security_group_is_an_id" {
  command = plan

  variables {
    security_group_ids = ["web"]
  }

  expect_failures = [var.security_group_ids]
}

run "a_profile_is_no_role" {
  command = plan

  variables {
    instance_profile = "arn:aws:iam::123456789012:role/web"
  }

  expect_failures = [var.instance_profile]
}

run "a_key_needs_encryption" {
  command = plan

  variables {
    root_volume = { encrypted = false, kms_key_id = "alias/x" }
  }

  expect_failures = [var.root_volume]
}

run "a_root_device_is_a_device" {
  command = plan

  variables {
    root_volume = { device_name = "xvda" }
  }

  expect_failures = [var.root_volume]
}

run "metadata_goes_two_hops_at_most" {
  command = plan

  variables {
    metadata_hop_limit = 64
  }

  expect_failures = [var.metadata_hop_limit]
}

run "tags_of_the_pipeline_are_its_own" {
  command = plan

  variables {
    tags = { "ami-pipeline:release" = "r1" }
  }

  expect_failures = [var.tags]
}

run "hooks_have_a_limit" {
  command = plan

  variables {
    lifecycle_hooks = [{ name = "x", transition = "launching", heartbeat_timeout = 7201 }]
  }

  expect_failures = [var.lifecycle_hooks]
}

run "hooks_have_names_of_their_own" {
  command = plan

  variables {
    lifecycle_hooks = [{ name = "x", transition = "launching" }, { name = "x", transition = "terminating" }]
  }

  expect_failures = [var.lifecycle_hooks]
}

run "requests_are_those_of_a_target_group" {
  command = plan

  variables {
    scaling_policies = { r = { metric = "requests", target = 100 } }
  }

  expect_failures = [var.scaling_policies]
}

run "a_schedule_sets_something" {
  command = plan

  variables {
    schedules = { night = { recurrence = "0 22 * * *" } }
  }

  expect_failures = [var.schedules]
}

run "user_data_fits" {
  command = plan

  variables {
    user_data = join("", [for n in range(1000) : "echo 1234567890123;"])
  }

  expect_failures = [aws_launch_template.this]
}

run "tag_keys_are_readable_from_the_instance" {
  command = plan

  variables {
    tags          = { "cost/center" = "1" }
    metadata_tags = true
  }

  expect_failures = [aws_launch_template.this]
}
