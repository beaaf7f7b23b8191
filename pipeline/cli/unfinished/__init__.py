"""The commands for a deployment that is paused or was interrupted."""
