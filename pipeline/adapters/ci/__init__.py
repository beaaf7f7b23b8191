"""Exchange data with the surroundings of a run: CI outputs, verify hooks, git."""
