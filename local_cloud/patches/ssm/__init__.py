"""Patch Systems Manager: public parameters, managed nodes and Run Command."""
