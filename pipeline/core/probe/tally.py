"""Count the requests of a probe, and decide whether too many have failed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf

from pipeline.core.probe.expectation import Result
from pipeline.core.probe.settings import Probe

MOST_KEPT = 20
"""The failing answers that are kept, the first ones."""
MOST_COUNTED = 12
"""The versions with their statuses that are counted apart, the first ones."""
NO_ANSWER = "no answer"
"""The status of a request without an answer."""
OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """How many answers of one version had one HTTP status; the version is empty if unknown."""

    version: str
    status: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeTotals:
    """The requests of a deployment, how many of them failed, and how many could not be sent.

    `blamed` are the failures that count against the new release. With `ignored`, the probe failed
    before traffic moved, so its failures decide nothing. `file` is where the first failures are.
    """

    requests: int = 0
    failures: int = 0
    unsent: int = 0
    blamed: int = 0
    ignored: bool = False
    file: str = ""

    def __str__(self) -> str:
        """Return `6,200 requests, 0 failed`."""
        noun = "request" if self.requests == 1 else "requests"
        unsent = f", {self.unsent:,} not sent" if self.unsent else ""
        return f"{self.requests:,} {noun}, {self.failures:,} failed{unsent}"


@dataclass(kw_only=True)
class Tally:
    """The requests of one run so far; `totals` begins with those of earlier runs."""

    probe: Probe
    totals: ProbeTotals = field(default_factory=ProbeTotals)
    first: list[Result] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    _blamed: str = field(default="", init=False)
    _recent: deque[float] = field(default_factory=deque, init=False)

    def add(self, results: Iterable[Result], blamed: Iterable[str], *, unsent: int = 0) -> None:
        """Count results; failures of the phases `blamed` count against the new release."""
        phases = frozenset(blamed)
        for each in results:
            self._add(each, blamed=bool(each.failure) and each.phase in phases)
        self.totals = replace(self.totals, unsent=self.totals.unsent + unsent)

    def _add(self, result: Result, *, blamed: bool) -> None:
        self.totals = replace(
            self.totals,
            requests=self.totals.requests + 1,
            failures=self.totals.failures + bool(result.failure),
            blamed=self.totals.blamed + blamed,
        )
        key = (result.version, str(result.status) if result.status else NO_ANSWER)
        is_new = key not in self.counted and len(self.counted) >= MOST_COUNTED
        self.counted[("", OTHER) if is_new else key] += 1
        if blamed:
            self._recent.append(result.sent)
            self._blamed = self._blamed or result.failure
        if result.failure:
            self.kinds[result.failure] += 1
            if len(self.first) < MOST_KEPT:
                self.first.append(result)

    @property
    def answers(self) -> tuple[Answers, ...]:
        """The answers of this run by version and status."""
        return tuple(
            Answers(version=version, status=status, count=count)
            for (version, status), count in sorted(self.counted.items())
        )

    def excess(self, now: float) -> str:
        """Return why too many requests have failed at a monotonic time, empty if not too many."""
        limit = self.probe.tolerance
        while self._recent and self._recent[0] < now - limit.window:
            self._recent.popleft()
        # Over the whole deployment, the failures of its earlier runs count, too.
        failed = self.totals.blamed if limit.window == inf else len(self._recent)
        if failed <= limit.failures or self.totals.ignored:
            return ""
        noun = "request" if failed == 1 else "requests"
        first = f"; the first: {self._blamed}" if self._blamed else ""
        return f"the probe had {failed:,} failed {noun}, {limit.describe()}{first}"


def describe_failures(tally: Tally) -> str:
    """Return the file about the failing answers: the totals, each kind, and the first answers."""
    probe = tally.probe
    kinds = [f"{count:>8,}  {kind}" for kind, count in tally.kinds.most_common()]
    firsts = [line for each in tally.first for line in _lines(each)]
    return "\n".join([f"probe {probe.describe()}", str(tally.totals), "", *kinds, *firsts]) + "\n"


def _lines(result: Result) -> list[str]:
    took = f"{result.seconds * 1000:.0f} ms"
    heading = f"{result.at} {result.phase}: {result.failure} ({took})"
    return ["", heading, *(f"  | {line}" for line in result.excerpt.splitlines())]
