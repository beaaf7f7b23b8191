"""Define what an analysis compares and tolerates: `[promote.analysis]`."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = "5xx"
LATENCIES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The percentiles of the latency that can be compared, each with its share."""
COMPARISONS = (FAILURES, *LATENCIES)
INCONCLUSIVE = ("pass", "wait", "fail")


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """A metric query of the user; a minute breaches it `above` or `below` a value, if given.

    `dimensions` are pairs of name and value; `{group}` in a value is the name of green's group.
    It fails once it breaches in `minutes` complete minutes in a row.
    """

    namespace: str
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...] = ()
    above: float | None = None
    below: float | None = None
    minutes: int = 3

    def breaches(self, value: float) -> bool:
        """Return True if a value is on the wrong side of a limit; the limit itself is allowed."""
        high = self.above is not None and value > self.above
        return high or (self.below is not None and value < self.below)

    @property
    def limit(self) -> str:
        """The limits in words, such as `above 80`."""
        limits = (("above", self.above), ("below", self.below))
        return " or ".join(f"{word} {value:g}" for word, value in limits if value is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """The settings of an analysis.

    `compare` has names of `COMPARISONS`. `more_failures` is the tolerated difference of the shares
    of 5xx, 0.001 for 0.1 percentage points. `slower` is the tolerated share by which a percentile
    of the latency may be longer, 0.1 for 10 %. `requests` is how many each side must have before
    its share of 5xx is judged, and `minutes` how many complete minutes a phase lasts at least.
    `inconclusive` is what follows from an analysis without a result at the end of a phase.
    """

    compare: tuple[str, ...] = COMPARISONS
    more_failures: float = 0.001
    slower: float = 0.1
    requests: int = 50
    minutes: int = 5
    inconclusive: str = "pass"
    metrics: tuple[Threshold, ...] = ()

    @property
    def percentiles(self) -> tuple[str, ...]:
        """The percentiles to compare, in the order of their shares."""
        return tuple(name for name in LATENCIES if name in self.compare)

    def describe(self) -> str:
        """Return the settings in words, for the plan."""
        percentiles = ", ".join(self.percentiles)
        parts = (
            f"5xx at most {100 * self.more_failures:g} points more"
            if FAILURES in self.compare
            else "",
            f"{percentiles} at most {100 * self.slower:g} % slower" if percentiles else "",
            *(f"{each.metric} not {each.limit}" for each in self.metrics),
            f"at least {self.minutes} complete minutes",
            f"inconclusive: {self.inconclusive}",
        )
        return "; ".join(each for each in parts if each)
