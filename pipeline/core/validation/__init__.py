"""Check the values that a person writes into the configuration."""
