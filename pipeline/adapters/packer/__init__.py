"""Run Packer and parse its machine-readable output."""
