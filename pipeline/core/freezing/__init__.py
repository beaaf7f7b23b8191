"""Freezes: times in which no release is put into service."""
