"""Read the facts that preflight checks, and probe the permissions."""
