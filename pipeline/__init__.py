"""Bake an AMI with Packer and put it into service blue/green with Terraform."""

from __future__ import annotations

__version__ = "0.1.0"
