"""Read which images and snapshots a region has, and which of them something uses."""
