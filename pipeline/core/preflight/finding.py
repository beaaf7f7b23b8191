"""Define a finding of preflight, in the three parts of an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A problem with its place and its remedy; it refuses the deployment if it is `blocking`."""

    where: str
    what: str
    remedy: str
    blocking: bool = True
