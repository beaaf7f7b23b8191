"""Draws what happened and what is: rich on a terminal, plain lines elsewhere, or JSON."""
