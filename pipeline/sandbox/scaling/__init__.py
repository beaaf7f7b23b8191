"""What Auto Scaling does by itself: the part that keeps groups as they should be."""
