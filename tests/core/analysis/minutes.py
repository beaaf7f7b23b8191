"""Minutes of one side, written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.analysis.samples import Minute

WOBBLE = (1.0, 1.02, 0.98, 1.01, 0.99)
"""What a minute's latency is multiplied by, in turn."""


def side(
    count: int = 5,
    *,
    requests: int = 6000,
    failures: int = 0,
    slower: float = 1.0,
    wobble: Sequence[float] = WOBBLE,
) -> tuple[Minute, ...]:
    """Return minutes with p50 of 100 ms, p90 of 200 ms, p99 of 400 ms."""

    def minute(at: int) -> Minute:
        factor = slower * wobble[at % len(wobble)]
        latency = {"p50": 0.1 * factor, "p90": 0.2 * factor, "p99": 0.4 * factor}
        return Minute(at=at, requests=requests, failures=failures, latency=latency)

    return tuple(minute(at) for at in range(count))
