"""Inspect an environment: its members, what they log, and what happens to them."""
