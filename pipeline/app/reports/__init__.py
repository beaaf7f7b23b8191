"""Read what was done and what changes."""
