"""Measure how an environment is delivered to, from its history."""
