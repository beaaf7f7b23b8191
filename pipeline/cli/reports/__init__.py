"""Commands that tell what was done and what changes."""
