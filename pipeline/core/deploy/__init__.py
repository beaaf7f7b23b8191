"""Run a deployment: the phase table, its gates, and the loop over them."""
