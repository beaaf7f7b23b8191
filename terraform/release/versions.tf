terraform {
  # 1.5 for `import` blocks, with which the pipeline adopts a group of a killed run.
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}
