"""Compare the shares of 5xx of both sides by Fisher's exact test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from pipeline.core.analysis.distributions import hypergeometric_tail
from pipeline.core.analysis.judgment import Finding, Judged
from pipeline.core.analysis.levels import PASS_LEVEL, shown_level
from pipeline.core.analysis.policy import FAILURES, Analysis
from pipeline.core.analysis.samples import Against, Minute, Sides

EXCLUDED = 5.0
"""To pass, green must be certain to be less than this many times the tolerated share worse."""
LEAST_MINUTES = 3
"""Minutes until a burst of failures can be told from a version that fails, without blue beside."""
TEST = "Fisher's exact test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Requests and failures of one side."""

    requests: int
    failures: int

    @classmethod
    def of(cls, minutes: Sequence[Minute]) -> Counts:
        """Return the counts of all minutes."""
        requests, failures = (sum(m.requests for m in minutes), sum(m.failures for m in minutes))
        # A failure that is counted in another minute than its request makes more of them.
        return cls(requests=max(requests, failures), failures=failures)

    def __str__(self) -> str:
        """Return the share and the number of requests, such as `0.12 % of 8,240`."""
        return f"{shown_share(self.failures / (self.requests or 1))} of {self.requests:,}"

    def divided(self, factor: float) -> Counts:
        """Return the counts of as many independent requests as these are worth."""
        requests, failures = floor(self.requests / factor), floor(self.failures / factor)
        return Counts(requests=requests, failures=failures)


def compare(sides: Sides, policy: Analysis, level: float) -> Finding:
    """Return whether green fails more requests than is tolerated; `level` is that of a failure."""
    green, blue = Counts.of(sides.green), Counts.of(sides.blue)
    fewest = min(green.requests, blue.requests)
    numbers = f"{green} requests against {blue}"
    if fewest < policy.requests:
        sentence = f"{numbers}: each side needs {policy.requests:,} requests"
        return Finding(name=FAILURES, result=Judged.INCONCLUSIVE, sentence=sentence)
    if sides.against is Against.BEFORE and len(sides.green) < LEAST_MINUTES:
        sentence = f"{numbers}: {len(sides.green)} of {LEAST_MINUTES} minutes"
        return Finding(name=FAILURES, result=Judged.INCONCLUSIVE, sentence=sentence)
    factor = _clustering(sides)
    worse = p_worse(green.divided(factor), blue.divided(factor), policy.more_failures)
    note = f"{TEST}, " if factor == 1 else f"{TEST} of counts divided by {factor:.1f}, "
    if worse < level:
        why = f"{numbers}: worse ({note}{shown_level(worse)})"
        return Finding(name=FAILURES, result=Judged.FAIL, sentence=why)
    excluded = EXCLUDED * policy.more_failures
    fine = p_fine(green.divided(factor), blue.divided(factor), excluded)
    end = f"{100 * excluded:g} points worse ({note}{shown_level(fine)})"
    if fine < PASS_LEVEL:
        return Finding(name=FAILURES, result=Judged.PASS, sentence=f"{numbers}: not {end}")
    return Finding(name=FAILURES, result=Judged.INCONCLUSIVE, sentence=f"{numbers}: may be {end}")


def p_worse(green: Counts, blue: Counts, more: float) -> float:
    """Return the probability of as many failures of green if it were only `more` worse than blue.

    Blue gets the tolerated failures in addition, rounded against a failure of green.
    """
    extra = Counts(
        requests=blue.requests,
        failures=min(blue.requests, blue.failures + ceil(more * blue.requests)),
    )
    return hypergeometric_tail(
        green.failures,
        green.requests,
        green.failures + extra.failures,
        green.requests + extra.requests,
    )


def p_fine(green: Counts, blue: Counts, more: float) -> float:
    """Return the probability of as few failures of green if it were `more` worse than blue."""
    extra = min(blue.requests, blue.failures + floor(more * blue.requests))
    return hypergeometric_tail(
        extra, blue.requests, green.failures + extra, green.requests + blue.requests
    )


def _clustering(sides: Sides) -> float:
    """Return by how much failures come in bursts: the variance of minutes, 1 if independent.

    Beside each other, both sides see the same bursts. Counts divided by this dispersion have the
    variance that was measured (McCullagh and Nelder, Generalized Linear Models, 4.5).
    """
    if sides.against is Against.BESIDE:
        return 1.0
    return max(1.0, _dispersion(sides.blue), _dispersion(sides.green))


def _dispersion(minutes: Sequence[Minute]) -> float:
    counts = Counts.of(minutes)
    share = counts.failures / (counts.requests or 1)
    busy = [each for each in minutes if each.requests]
    if len(busy) < 2 or not 0 < share < 1:  # noqa: PLR2004 - a variance needs two
        return 1.0
    squares = (
        (each.failures - share * each.requests) ** 2 / (each.requests * share * (1 - share))
        for each in busy
    )
    return sum(squares) / (len(busy) - 1)


def shown_share(share: float) -> str:
    """Return a share in percent with two significant digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"  # noqa: PLR2004
