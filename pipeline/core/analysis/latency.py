"""Compare a percentile of the latency of both sides by a t test of its logarithms per minute.

CloudWatch has one value of a percentile for each minute, not the requests behind it. The logarithm
makes a difference a ratio. Beside each other, the minutes are pairs, so what slows both sides or
follows the time of day cancels out. Before and after, Welch's test allows different variances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

from pipeline.core.analysis.distributions import mean_and_error, student_quantile, student_tail
from pipeline.core.analysis.judgment import Finding, Judged
from pipeline.core.analysis.levels import PASS_LEVEL, shown_level
from pipeline.core.analysis.policy import LATENCIES, Analysis
from pipeline.core.analysis.samples import Against, Minute, Sides

LEAST_MINUTES = 3
BEYOND = 2.0
"""Requests of a minute that must be slower than its percentile, or it is only their maximum."""
LEAST_REQUESTS = 10
EXCLUDED = 2.0
"""To pass, green must be certain to be less than this many times the tolerated share slower."""
MEASURABLE = 0.05
"""A part of the tolerated share; a slowdown that is certain to be longer is reported."""
UNNOTICED = 0.001
"""Seconds that are tolerated in any case."""
LEAST_ERROR = 0.005
"""The standard deviation of a minute at least: CloudWatch's percentiles are not more exact."""
SHOWN = 0.0005
"""The smallest difference that is shown."""
NEIGHBORS = {"p50": ("p90",), "p90": ("p50", "p99"), "p99": ("p90",)}
"""The percentiles that tell how close together the times around a percentile are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The mean difference of logarithms, its standard error and the degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def p_above(self, limit: float) -> float:
        """Return the probability of a difference as large if the true one were `limit`."""
        return student_tail((self.mean - limit) / self.error, self.freedom)

    def p_below(self, limit: float) -> float:
        """Return the probability of a difference as small if the true one were `limit`."""
        return 1.0 - self.p_above(limit)

    @property
    def interval(self) -> str:
        """The interval of 90 % of the ratio, in words: what `PASS_LEVEL` decides on both sides."""
        half = student_quantile(PASS_LEVEL, self.freedom) * self.error
        return f"{change(self.mean - half)} to {change(self.mean + half)}"


def compare(sides: Sides, name: str, policy: Analysis, level: float) -> Finding:
    """Return whether green is slower than is tolerated; `level` is that of a failure."""
    green, blue = ({m.at: m for m in side if enough(m, name)} for side in (sides.green, sides.blue))
    if sides.against is Against.BESIDE:
        both = green.keys() & blue.keys()
        green, blue = ({at: side[at] for at in sorted(both)} for side in (green, blue))
    if min(len(green), len(blue)) < LEAST_MINUTES:
        fewest = f"{needed(name)} requests a minute in {LEAST_MINUTES} minutes"
        sentence = f"each side needs {fewest}, found in {min(len(green), len(blue))}"
        return Finding(name=name, result=Judged.INCONCLUSIVE, sentence=sentence)
    return _judged(Sample.of(green, name), Sample.of(blue, name), sides.against, policy, level)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The logarithms of one percentile, one for each minute of a side.

    `least` is the smallest variance that such a minute can have: that of its LEAST_ERROR, or of
    the random choice of its requests.
    """

    name: str
    values: list[float]
    least: float

    @classmethod
    def of(cls, minutes: Mapping[int, Minute], name: str) -> Sample:
        """Return the values of minutes that have enough requests."""
        values = [log(each.latency[name]) for each in minutes.values()]
        variances = [sampling_variance(each, name) for each in minutes.values()]
        least = max(LEAST_ERROR**2, sum(variances) / len(variances))
        return cls(name=name, values=values, least=least)

    @property
    def mean(self) -> float:
        """The mean logarithm."""
        return sum(self.values) / len(self.values)


def sampling_variance(minute: Minute, name: str) -> float:
    """Return the variance of a percentile's logarithm that follows from its number of requests.

    It is q (1 - q) / n, divided by the square of the density (Cramer 1946, 28.5). The percentiles
    beside it give the density. Few minutes do not show that variance by themselves where a
    percentile jumps between the fast and the slow requests of a service.
    """
    share, value = LATENCIES[name], log(minute.latency[name])
    slopes = [
        (log(minute.latency[other]) - value) / (part - share)
        for other, part in LATENCIES.items()
        if other in NEIGHBORS[name] and minute.latency.get(other, 0.0) > 0
    ]
    slope = exp(sum(map(log, slopes)) / len(slopes)) if slopes and min(slopes) > 0 else 0.0
    return share * (1 - share) / minute.requests * slope**2


def _judged(
    green: Sample, blue: Sample, against: Against, policy: Analysis, level: float
) -> Finding:
    found = _paired(green, blue) if against is Against.BESIDE else _welch(green, blue)
    name, base = green.name, blue.mean
    limits = {part: margin(base, policy.slower, part) for part in (1.0, EXCLUDED, MEASURABLE)}
    numbers = f"{shown(green.mean)} against {shown(base)}, {change(found.mean)}"
    test = "paired t test" if against is Against.BESIDE else "Welch's t test"
    note = f"{test} of {len(green.values)} minutes"
    worse, fine = found.p_above(limits[1.0]), found.p_below(limits[EXCLUDED])
    if worse < level:
        end = f"slower than the tolerated {policy.slower:.0%} ({note}, {shown_level(worse)})"
        return Finding(name=name, result=Judged.FAIL, sentence=f"{numbers}: {_spaced(end)}")
    if fine >= PASS_LEVEL:
        end = f"may be {change(limits[EXCLUDED])} ({note}: {found.interval})"
        return Finding(name=name, result=Judged.INCONCLUSIVE, sentence=f"{numbers}: {end}")
    if found.p_above(limits[MEASURABLE]) < PASS_LEVEL:
        end = f"a small slowdown is certain ({note}: {found.interval})"
        return Finding(name=name, result=Judged.INCONCLUSIVE, sentence=f"{numbers}: {end}")
    end = f"not {change(limits[EXCLUDED])} ({note}, {shown_level(fine)})"
    return Finding(name=name, result=Judged.PASS, sentence=f"{numbers}: {end}")


def margin(base: float, slower: float, part: float) -> float:
    """Return a part of the tolerated difference, at a logarithm of seconds of `base`."""
    return max(log(1 + part * slower), log(1 + part * UNNOTICED / exp(base)))


def enough(minute: Minute, name: str) -> bool:
    """Return True if a minute has the percentile, of enough requests to mean something."""
    return minute.latency.get(name, 0.0) > 0 and minute.requests >= needed(name)


def needed(name: str) -> int:
    """Return the requests that a minute must have for a percentile."""
    return max(LEAST_REQUESTS, ceil(round(BEYOND / (1 - LATENCIES[name]), 6)))


def _paired(green: Sample, blue: Sample) -> Difference:
    """Return the difference of minutes that are pairs, by Student's t of their differences."""
    pairs = zip(green.values, blue.values, strict=True)
    mean, error = mean_and_error([one - other for one, other in pairs])
    count = len(green.values)
    least = sqrt((green.least + blue.least) / count)
    return Difference(mean=mean, error=max(error, least), freedom=count - 1)


def _welch(green: Sample, blue: Sample) -> Difference:
    """Return the difference of two samples (Welch, Biometrika 34, 1947)."""
    first, second = (
        max(mean_and_error(side.values)[1] ** 2, side.least / len(side.values))
        for side in (green, blue)
    )
    rest = first**2 / (len(green.values) - 1) + second**2 / (len(blue.values) - 1)
    freedom = (first + second) ** 2 / rest
    return Difference(mean=green.mean - blue.mean, error=sqrt(first + second), freedom=freedom)


def change(difference: float) -> str:
    """Return a difference of logarithms in words, such as `3.1 % slower`."""
    share = exp(difference) - 1
    if abs(share) < SHOWN:
        return "as fast"
    digits = 0 if abs(share) >= 0.0995 else 1  # noqa: PLR2004 - two digits that count
    word = "slower" if share >= 0 else "faster"
    return f"{100 * abs(share):.{digits}f} % {word}"


def shown(logarithm: float) -> str:
    """Return a logarithm of seconds as a time with three digits, such as `123 ms`."""
    seconds = exp(logarithm)
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _spaced(text: str) -> str:
    return text.replace("%", " %", 1)
