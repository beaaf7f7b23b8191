"""Judge a metric of the user by its limits: several complete minutes in a row decide."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.analysis.judgment import Finding, Judged
from pipeline.core.analysis.policy import Threshold


def judge(wanted: Threshold, values: Sequence[float | None]) -> Finding:
    """Return the result of the values of a phase's minutes, oldest first, None without a value."""
    found = [each for each in values if each is not None]
    run = _longest_run([each is not None and wanted.breaches(each) for each in values])
    if run >= wanted.minutes:
        what = f"{wanted.limit} in {run} minutes in a row, last {found[-1]:g}"
        return _finding(wanted, Judged.FAIL, what)
    if len(found) < wanted.minutes:
        what = f"{len(found)} of {wanted.minutes} minutes with a value"
        return _finding(wanted, Judged.INCONCLUSIVE, what)
    if wanted.breaches(found[-1]):
        what = f"{wanted.limit} in the last minute: {found[-1]:g}"
        return _finding(wanted, Judged.INCONCLUSIVE, what)
    what = f"{min(found):g} to {max(found):g} in {len(found)} minutes, not {wanted.limit}"
    return _finding(wanted, Judged.PASS, what)


def _finding(wanted: Threshold, result: Judged, sentence: str) -> Finding:
    return Finding(name=f"{wanted.metric} {wanted.statistic}", result=result, sentence=sentence)


def _longest_run(marks: Sequence[bool]) -> int:
    longest = run = 0
    for mark in marks:
        run = run + 1 if mark else 0
        longest = max(longest, run)
    return longest
