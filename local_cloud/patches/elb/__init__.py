"""Patch moto's classic and version 2 load balancers."""
