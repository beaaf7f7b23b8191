"""The composition root: one module per command, which connects the core to the adapters.

`cli` imports it only when a command runs, so that `--help` is fast.
"""

from pipeline.app.application import Application, Options

__all__ = ["Application", "Options"]
