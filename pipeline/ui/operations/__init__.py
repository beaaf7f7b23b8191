"""Render what holds an environment."""
