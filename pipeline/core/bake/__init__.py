"""Bake an image: build, verify, record, clean up."""
