"""Render logs and events."""
