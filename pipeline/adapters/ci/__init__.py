"""Speak with what surrounds a run: CI outputs, verify hooks, git."""
