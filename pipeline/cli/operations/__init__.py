"""Commands that hold or free an environment."""
