"""Speaks to people: commands, options, exit codes."""
