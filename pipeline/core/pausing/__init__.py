"""A promotion that waits for a person before a phase."""
