"""The composition root: from configuration and environment to wired objects, one module a verb.

The one place that knows which adapter fulfils which port. Imported by `cli` only when a command
runs, so that `--help` stays quick.
"""

from pipeline.app.application import Application, Options

__all__ = ["Application", "Options"]
