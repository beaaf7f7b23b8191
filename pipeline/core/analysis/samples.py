"""Define what was measured: one minute of one side, and both sides of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.core.image import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Minute:
    """A complete minute of one side; `at` is its number, so that both sides' minutes can be paired.

    `failures` are the requests that ended with a 5xx or without a connection to a target.
    `latency` has the percentiles of the response time in seconds, by name (`p50`); it is empty
    without a response.
    """

    at: int
    requests: int
    failures: int = 0
    latency: Mapping[str, float] = field(default_factory=lambda: NO_ITEMS)


class Against(StrEnum):
    """What the new version is compared with.

    `BESIDE`: the old version in the same minutes. `BEFORE`: the same load balancer before the
    deployment.
    """

    BESIDE = "beside"
    BEFORE = "before"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """The minutes of the new version and of what it is compared with."""

    green: tuple[Minute, ...]
    blue: tuple[Minute, ...]
    against: Against = Against.BESIDE
