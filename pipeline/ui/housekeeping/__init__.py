"""Render the results of the housekeeping commands."""
