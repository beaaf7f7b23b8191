"""What `adopt` prints."""
