"""Development tools that are not tests: the demo, the load generator, checks."""
