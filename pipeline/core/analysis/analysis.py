"""Judge green by the samples of both sides: the decision, without reading anything."""

from __future__ import annotations

from pipeline.core.analysis import failures, latency
from pipeline.core.analysis.judgment import Judgment
from pipeline.core.analysis.levels import failure_level
from pipeline.core.analysis.policy import FAILURES, Analysis
from pipeline.core.analysis.samples import Sides


def judge(sides: Sides, policy: Analysis, *, readings: int) -> Judgment:
    """Return the judgment of one load balancer entry.

    `readings` is how often the phase is judged in all. A failure may end it at any of them; a pass
    counts at the end only.
    """
    level = failure_level(len(policy.compare), readings)
    found = [failures.compare(sides, policy, level)] if FAILURES in policy.compare else []
    found += [latency.compare(sides, name, policy, level) for name in policy.percentiles]
    return Judgment(findings=tuple(found))
