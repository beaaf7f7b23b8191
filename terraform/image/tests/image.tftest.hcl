# The images that a plan refuses, without AWS: the provider is mocked.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_ami" {
    defaults = {
      id                    = "ami-0123456789abcdef1"
      name                  = "web-1.4.2"
      state                 = "available"
      public                = false
      root_device_name      = "/dev/xvda"
      block_device_mappings = [{ device_name = "/dev/xvda", ebs = { encrypted = "true" }, no_device = "", virtual_name = "" }]
    }
  }
}

variables {
  ami_id      = "ami-0123456789abcdef0"
  ami_ids     = { us-east-1 = "ami-0123456789abcdef0", eu-central-1 = "ami-0123456789abcdef1" }
  app         = "web"
  app_version = "1.4.2"
}

run "the_image_of_the_providers_region_is_looked_up" {
  assert {
    condition = (
      [for filter in data.aws_ami.this.filter : filter.values] == [toset(["ami-0123456789abcdef1"])] &&
      data.aws_ami.this.owners == tolist(["self"])
    )
    error_message = jsonencode(data.aws_ami.this.filter)
  }

  assert {
    condition     = output.root_encrypted && output.name == "web-1.4.2" && output.app_version == "1.4.2"
    error_message = "The outputs say what was found."
  }
}

run "an_image_that_is_not_available_is_refused" {
  command = plan

  override_data {
    target = data.aws_ami.this
    values = { state = "pending" }
  }

  expect_failures = [data.aws_ami.this]
}

run "a_public_image_is_refused" {
  command = plan

  override_data {
    target = data.aws_ami.this
    values = { state = "available", public = true }
  }

  expect_failures = [data.aws_ami.this]
}

run "an_image_is_named_by_its_id" {
  command = plan

  variables {
    ami_id = "web-1.4.2"
  }

  expect_failures = [var.ami_id]
}
