"""Load balancers: find them, read their targets and settings, set the weights of pairs."""
