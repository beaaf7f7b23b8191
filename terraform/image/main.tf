# Checks the image of `ami-pipeline bake` where it is used. `ami.auto.tfvars.json` in
# this folder (or beside the root module that calls this one) sets the variables. A
# plan fails if the image is deleted, not yet available, or another account's.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

data "aws_region" "current" {}

data "aws_ami" "this" {
  owners = ["self"]

  filter {
    name   = "image-id"
    values = [local.id]
  }

  lifecycle {
    postcondition {
      condition     = self.state == "available"
      error_message = "${self.id} is ${self.state}, not available."
    }

    postcondition {
      condition     = !self.public
      error_message = "${self.id} is public: everyone may launch it."
    }
  }
}

locals {
  id = lookup(var.ami_ids, data.aws_region.current.name, var.ami_id)
}
