"""A web server on loopback for pages that change nothing."""
