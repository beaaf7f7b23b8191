"""What `doctor` reads of a store."""
