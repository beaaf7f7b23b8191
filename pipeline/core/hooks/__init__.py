"""Hooks: programs of the user that run at points of a deployment."""
