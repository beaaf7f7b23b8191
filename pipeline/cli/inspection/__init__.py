"""The commands that inspect an environment."""
