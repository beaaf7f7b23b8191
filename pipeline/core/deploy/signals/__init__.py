"""Signals: what decides a deployment besides the health of its groups.

`base.py` defines them; each has a file.
"""
