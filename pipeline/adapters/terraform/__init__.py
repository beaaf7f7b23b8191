"""Run Terraform and parse its JSON streams."""
