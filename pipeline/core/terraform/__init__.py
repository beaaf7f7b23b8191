"""Judge Terraform's plans and modules without running it."""
