"""`ami-pipeline init`: its command, and its questions at the terminal."""

from pipeline.cli.init.command import init

__all__ = ["init"]
