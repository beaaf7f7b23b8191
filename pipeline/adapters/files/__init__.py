"""Write files atomically, lock them, and keep logs."""
