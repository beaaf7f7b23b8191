"""Check Terraform's plans and modules without running Terraform."""
