"""Hold or free an environment."""
