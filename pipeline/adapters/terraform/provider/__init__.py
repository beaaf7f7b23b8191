"""Run the AWS provider once for several Terraform commands."""
