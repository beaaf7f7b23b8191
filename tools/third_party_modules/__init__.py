"""Third-party Terraform configurations on the local cloud: `make third-party-modules`."""
