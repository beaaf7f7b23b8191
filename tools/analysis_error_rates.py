"""Measure how often the analysis errs: judge simulated canaries of known versions.

    .venv/bin/python -m tools.analysis_error_rates [--runs 400] [--seed 1]

Each canary is judged once a minute as in a deployment, and prints as a row of the table of
docs/guide/analysis.md. Percentiles of a minute are order statistics of its requests, drawn
directly: the k-th smallest of n uniform numbers has a beta distribution. So a minute of 60,000
requests costs no more than one of 60.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import ceil, exp, log, log1p, pi, sin
from statistics import NormalDist

from pipeline.core.analysis.analysis import judge
from pipeline.core.analysis.judgment import Judged
from pipeline.core.analysis.policy import LATENCIES, Analysis
from pipeline.core.analysis.samples import Against, Minute, Sides

Quantile = Callable[[float], float]
"""The response time in seconds of a share of the requests."""
NORMAL = NormalDist()
STEP = 10
"""Minutes of a simulated step."""
BEFORE = 30
"""Minutes before the deployment that a step is compared with, if not with blue beside it."""


def lognormal(share: float) -> float:
    """Return a time of a usual service: 50 ms in the middle, 3.2 times that at p99."""
    return 0.05 * exp(0.5 * NORMAL.inv_cdf(share))


def bimodal(share: float) -> float:
    """Return a time of a service with a cache: 55 % hits of 5 ms, others of 80 ms."""
    hits = 0.55
    if share < hits:
        return 0.005 * exp(0.2 * NORMAL.inv_cdf(max(share / hits, 1e-9)))
    return 0.08 * exp(0.3 * NORMAL.inv_cdf(min(max((share - hits) / (1 - hits), 1e-9), 1 - 1e-9)))


def heavy(share: float) -> float:
    """Return a time of a service whose slow requests have no typical length (Pareto, 1.2)."""
    return 0.02 * exp(-log1p(-share) / 1.2)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version: the share of requests that fail, and how many times longer they take."""

    failing: float = 0.0005
    slower: float = 1.0


@dataclass(frozen=True, kw_only=True)
class World:
    """What both versions have in common; `walk` is the deviation of a minute from the one before.

    `shared` and `own` are standard deviations of the logarithm of a minute's latency: of both sides
    alike, and of each alone. `bursts` is the share of minutes in which `burst` of the requests of
    both fail. `trend` is the amplitude of a day's wave in rate and latency.
    """

    latency: Quantile = lognormal
    shared: float = 0.05
    own: float = 0.02
    trend: float = 0.0
    walk: float = 0.0
    bursts: float = 0.0
    burst: float = 0.02


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table."""

    name: str
    green: Version = field(default_factory=Version)
    blue: Version = field(default_factory=Version)
    world: World = field(default_factory=World)


CASES = (
    Case(name="equal"),
    Case(name="green fails 1 %", green=Version(failing=0.01)),
    Case(name="green 3 % slower", green=Version(slower=1.03)),
    Case(name="green 20 % slower", green=Version(slower=1.2)),
    Case(name="green 2 times slower", green=Version(slower=2.0)),
    Case(name="equal, noisy minutes", world=World(shared=0.2, own=0.1)),
    Case(name="equal, bimodal latency", world=World(latency=bimodal)),
    Case(name="equal, heavy tail", world=World(latency=heavy)),
    Case(name="equal, steepest hour of a day", world=World(trend=0.5)),
    Case(name="equal, latency drifts 1 % a minute", world=World(walk=0.01)),
    Case(name="both fail 1 %", green=Version(failing=0.01), blue=Version(failing=0.01)),
    Case(name="both fail in bursts", world=World(bursts=0.1)),
)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Draws the minutes of both sides."""

    case: Case
    rate: float
    weight: float
    dice: random.Random

    def sides(self, against: Against) -> Sides:
        """Return a step of green, with blue beside it or the load balancer before it."""
        case = self.case
        common, drift = [], 0.0
        for at in range(-BEFORE, STEP):
            drift += self.dice.gauss(0, case.world.walk)
            common.append(self._common(at, drift))
        step, past = range(STEP), range(-BEFORE, 0)
        if against is Against.BESIDE:
            rates = (self.rate * self.weight, self.rate * (1 - self.weight))
            other = step
        else:
            rates, other = (self.rate, self.rate), past
        green = tuple(self._minute(at, rates[0], case.green, common[at + BEFORE]) for at in step)
        blue = tuple(self._minute(at, rates[1], case.blue, common[at + BEFORE]) for at in other)
        return Sides(green=green, blue=blue, against=against)

    def _common(self, at: int, drift: float) -> tuple[float, float, float]:
        """Return what a minute does to both sides: to the rate, the latency, the failures."""
        world, wave = self.case.world, sin(2 * pi * at / 1440)
        noise = self.dice.gauss(0, world.shared)
        failing = world.burst if self.dice.random() < world.bursts else 0.0
        return 1 + world.trend * wave, exp(drift + noise + 0.3 * world.trend * wave), failing

    def _minute(
        self, at: int, rate: float, version: Version, common: tuple[float, float, float]
    ) -> Minute:
        busy, slow, failing = common
        requests = poisson(self.dice, 60 * rate * busy)
        failures = binomial(self.dice, requests, version.failing + failing)
        own = exp(self.dice.gauss(0, self.case.world.own))
        factor = version.slower * slow * own
        found = order_statistics(self.dice, requests)
        latency = {name: factor * self.case.world.latency(share) for name, share in found}
        return Minute(at=at, requests=requests, failures=failures, latency=latency)


def order_statistics(dice: random.Random, requests: int) -> Iterator[tuple[str, float]]:
    """Yield the share of all requests at which the percentiles of a minute's sample are."""
    rank, share = 0, 0.0
    for name, part in LATENCIES.items():
        if (following := ceil(part * requests)) > rank:
            above = dice.betavariate(following - rank, requests - following + 1)
            share += (1 - share) * above
            rank = following
        if rank:
            yield name, min(max(share, 1e-12), 1 - 1e-12)


def poisson(dice: random.Random, mean: float) -> int:
    """Return a random number of events."""
    if mean > 500:  # noqa: PLR2004 - the normal distribution is as good
        return max(0, round(dice.gauss(mean, mean**0.5)))
    count, left = 0, mean
    while (left := left + log(1.0 - dice.random())) > 0:
        count += 1
    return count


def binomial(dice: random.Random, count: int, share: float) -> int:
    """Return how many of so many requests fail: Poisson's distribution, as few fail."""
    return min(count, poisson(dice, count * share))


def canary(sides: Sides, policy: Analysis) -> Judged:
    """Judge a step once a minute; return its result: a failure ends it."""
    for minute in range(1, STEP + 1):
        beside = sides.against is Against.BESIDE
        blue = sides.blue[:minute] if beside else sides.blue
        seen = replace(sides, green=sides.green[:minute], blue=blue)
        result = judge(seen, policy, readings=STEP).result
        if result is Judged.FAIL:
            break
    return result


RATES = (1, 10, 100, 1000)
COMPARED: tuple[tuple[str, Against, float], ...] = (
    ("5 %", Against.BESIDE, 0.05),
    ("25 %", Against.BESIDE, 0.25),
    ("50 %", Against.BESIDE, 0.5),
    ("before", Against.BEFORE, 1.0),
)


def cell(case: Case, rate: float, weight: float, against: Against, runs: int, seed: int) -> str:
    """Return the percentages of the three results: pass, inconclusive, fail."""
    dice = random.Random(f"{case.name} {rate} {weight} {against} {seed}")  # noqa: S311
    traffic = Traffic(case=case, rate=rate, weight=weight, dice=dice)
    found = Counter(canary(traffic.sides(against), Analysis()) for _ in range(runs))
    return " / ".join(f"{100 * found[each] / runs:.3g}" for each in reversed(Judged))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| versions | green has |", " | ".join(f"{rate:,}/s" for rate in RATES), "|")
    print("|---|---|" + "---|" * len(RATES))
    for case in CASES:
        for shown, against, weight in COMPARED:
            cells = (cell(case, r, weight, against, given.runs, given.seed) for r in RATES)
            print(f"| {case.name} | {shown} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
