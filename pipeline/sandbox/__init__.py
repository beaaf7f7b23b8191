"""The local cloud: AWS on loopback, with instances that are real processes."""
