"""Patch moto's Auto Scaling: the calls that the state machine answers, and the settings."""
