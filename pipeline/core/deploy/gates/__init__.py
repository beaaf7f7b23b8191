"""The gates: one module for each condition that can end a phase.

A new gate is one module here, a subclass of `base.Gate`, and one row of a table in
`core.deploy.phases`.
"""
