"""`ami-pipeline adopt`."""

from pipeline.cli.adopt.command import adopt

__all__ = ["adopt"]
