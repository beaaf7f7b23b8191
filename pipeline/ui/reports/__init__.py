"""Render what was done and what changes."""
