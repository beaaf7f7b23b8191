"""Run instances: root directories, processes, SSH, metadata, images."""
