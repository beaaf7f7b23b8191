"""One thing preflight found, in the three parts of an error; apart, for all who find things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong where, and what to do now; one that is not `blocking` is only said."""

    where: str
    what: str
    remedy: str
    blocking: bool = True
