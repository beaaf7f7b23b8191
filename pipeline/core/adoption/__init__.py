"""The configuration of an environment, read from a group that runs already."""
