"""Adapters: AWS, Packer, Terraform, the store and this machine, behind the core's ports."""
