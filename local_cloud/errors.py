"""The local cloud's own failures: where each happened, what happened, and what to do next.

They are its own because the local cloud works without ami-pipeline.
"""

from __future__ import annotations

from typing import ClassVar

PROGRAM = "python -m local_cloud"
"""How messages call this program; another program that embeds it puts its own name in."""


class LocalCloudError(Exception):
    """The base of every expected failure; never raised itself."""

    exit_code: ClassVar[int] = 1

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy)
        self.where = where
        self.what = what
        self.remedy = remedy


class RefusedError(LocalCloudError):
    """The machine is not as the local cloud needs it; nothing was started or changed."""

    exit_code = 3


class FailedError(LocalCloudError):
    """The local cloud was started and did not come up."""

    exit_code = 4
