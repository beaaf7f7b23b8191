terraform {
  # 1.5 for `import` blocks, by which the pipeline adopts a group that a killed run left behind.
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}
