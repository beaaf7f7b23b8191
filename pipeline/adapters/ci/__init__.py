"""Exchange data with the surroundings of a run: CI outputs, hooks, git."""
