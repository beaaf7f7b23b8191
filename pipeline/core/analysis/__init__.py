"""Judge a new version by metrics: from counts and latencies of both sides to a judgment."""
