"""A sample of the measurement behind docs/guide/analysis.md."""

from __future__ import annotations

import random
from collections import Counter

from pipeline.core.analysis.judgment import Judged
from pipeline.core.analysis.policy import Analysis
from pipeline.core.analysis.samples import Against
from tools.analysis_error_rates import CASES, Traffic, canary


def results(name: str, runs: int = 20) -> Counter[Judged]:
    case = next(each for each in CASES if each.name == name)
    traffic = Traffic(case=case, rate=100, weight=0.25, dice=random.Random(1))  # noqa: S311
    return Counter(canary(traffic.sides(Against.BESIDE), Analysis()) for _ in range(runs))


def test_a_good_version_passes() -> None:
    assert results("equal")[Judged.PASS] >= 17


def test_a_version_that_fails_1_percent_is_found_in_every_run() -> None:
    assert results("green fails 1 %") == {Judged.FAIL: 20}


def test_a_version_that_is_3_percent_slower_is_never_a_failure() -> None:
    found = results("green 3 % slower")
    assert found[Judged.FAIL] == 0
    assert found[Judged.INCONCLUSIVE] >= 14
