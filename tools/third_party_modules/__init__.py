"""`make strangers`."""
