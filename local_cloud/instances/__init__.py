"""Run instances: directories, processes, services, SSH and metadata."""
