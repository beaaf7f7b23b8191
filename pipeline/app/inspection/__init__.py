"""Inspect an environment: logs, events and a shell."""
