"""The requests of the probe: a small HTTP client, and the thread that sends them."""
