"""Render results and progress: rich on a terminal, plain lines elsewhere, or JSON."""
