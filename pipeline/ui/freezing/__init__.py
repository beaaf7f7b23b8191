"""Render the freezes of an environment."""
