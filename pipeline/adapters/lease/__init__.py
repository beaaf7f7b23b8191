"""Hold an environment's lease and fence every write with it."""
