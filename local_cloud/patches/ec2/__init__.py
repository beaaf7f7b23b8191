"""Patch moto's EC2: images, instances, launch templates, volumes."""
