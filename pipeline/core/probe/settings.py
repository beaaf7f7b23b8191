"""Define a probe: where it sends requests, how many, and which answers it accepts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from pipeline.core.times import format_duration
from pipeline.core.validation.probe_values import ADDRESS

Statuses = tuple[tuple[int, int], ...]
"""Ranges of HTTP status codes, both ends included."""
SUCCESS: Statuses = ((200, 299),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How many failed requests a deployment may have: more than `failures` within `window`.

    `window` is in seconds, infinite for the whole deployment.
    """

    failures: int = 0
    window: float = inf

    def describe(self) -> str:
        """Return the limit in words: `at most 3 failures in 1m`."""
        noun = "failure" if self.failures == 1 else "failures"
        within = "" if self.window == inf else f" in {format_duration(self.window)}"
        return f"at most {self.failures} {noun}{within}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """The settings of a probe.

    `rate` is in requests per second, `timeout` the longest wait for a whole answer in seconds.
    An answer is expected if its status is in `expect` and its body contains `contains`.
    `headers` are name and value. `test_url` is what a pair's test listener answers, if it is tried.
    `member_url` is what each member answers at its private address, which is in place of ADDRESS.
    `version_in` is where an answer names its version: a field of a JSON object, or `header:NAME`.
    """

    url: str
    rate: float = 10.0
    expect: Statuses = SUCCESS
    contains: str = ""
    tolerance: Tolerance = Tolerance()
    timeout: float = 5.0
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    verify_tls: bool = True
    test_url: str = ""
    member_url: str = ""
    version_in: str = "version"

    def urls_of(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the URL of each member by its private address."""
        return tuple(self.member_url.replace(ADDRESS, each) for each in addresses)

    def describe(self) -> str:
        """Return the probe in words: `https://example.com/health, 10/s, expects 200-299`."""
        text = f" with {self.contains!r}" if self.contains else ""
        expected = f"expects {format_statuses(self.expect)}{text}"
        return ", ".join([self.url, f"{self.rate:g}/s", expected, self.tolerance.describe()])


def format_statuses(statuses: Statuses) -> str:
    """Return ranges of status codes as they are written: `200-299, 404`."""
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in statuses)
