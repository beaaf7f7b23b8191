"""Check the values of the configuration and of the command line."""
