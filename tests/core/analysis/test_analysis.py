"""The judgment of both sides' samples, with the sentence that says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.analysis.analysis import judge
from pipeline.core.analysis.judgment import Finding, Judged, Judgment, joined
from pipeline.core.analysis.policy import Analysis, Threshold
from pipeline.core.analysis.samples import Against, Minute, Sides
from pipeline.core.analysis.thresholds import judge as judge_threshold
from tests.core.analysis.minutes import side

SLOW = (1.0, 1.3, 0.8, 1.2, 0.9)
ONLY_5XX = Analysis(compare=("5xx",))
ONLY_P90 = Analysis(compare=("p90",))
BEFORE = Against.BEFORE


def found(sides: Sides, policy: Analysis) -> tuple[Judged, str]:
    [finding] = judge(sides, policy, readings=10).findings
    return finding.result, finding.sentence


def beside(green: tuple[Minute, ...], blue: tuple[Minute, ...] | None = None) -> Sides:
    return Sides(green=green, blue=side() if blue is None else blue)


@pytest.mark.parametrize(
    ("sides", "result", "sentence"),
    [
        (
            beside(side(requests=1648, failures=18), side(requests=31400, failures=31)),
            Judged.FAIL,
            (
                "1.1 % of 8,240 requests against 0.099 % of 157,000: worse "
                "(Fisher's exact test, p < 0.001)"
            ),
        ),
        (
            beside(side(requests=6000, failures=6), side(requests=31400, failures=31)),
            Judged.PASS,
            (
                "0.1 % of 30,000 requests against 0.099 % of 157,000: not 0.5 points worse "
                "(Fisher's exact test, p < 0.001)"
            ),
        ),
        (
            beside(side(requests=60), side(requests=1000)),
            Judged.INCONCLUSIVE,
            (
                "0 % of 300 requests against 0 % of 5,000: may be 0.5 points worse "
                "(Fisher's exact test, p = 0.23)"
            ),
        ),
        (
            beside(side(requests=9, failures=9), side(requests=1000)),
            Judged.INCONCLUSIVE,
            "100 % of 45 requests against 0 % of 5,000: each side needs 50 requests",
        ),
        (
            Sides(green=side(2, failures=600), blue=side(30), against=BEFORE),
            Judged.INCONCLUSIVE,
            "10 % of 12,000 requests against 0 % of 180,000: 2 of 3 minutes",
        ),
    ],
)
def test_the_share_of_5xx_is_judged_by_fishers_test(
    sides: Sides, result: Judged, sentence: str
) -> None:
    assert found(sides, ONLY_5XX) == (result, sentence)


def test_a_trivial_difference_of_millions_of_requests_is_no_failure() -> None:
    green, blue = side(requests=2_000_000, failures=2400), side(requests=2_000_000, failures=800)
    assert found(beside(green, blue), ONLY_5XX)[0] is Judged.PASS


def test_a_burst_that_both_sides_see_is_no_failure() -> None:
    calm, burst = side(4), side(1, failures=600)
    assert found(beside((*calm, *burst), (*calm, *burst)), ONLY_5XX)[0] is Judged.PASS


def test_bursts_before_the_deployment_make_a_burst_in_it_no_failure() -> None:
    usual = (*side(27), *side(3, failures=300))
    step = (*side(9), *side(1, failures=400))
    result, sentence = found(Sides(green=step, blue=usual, against=BEFORE), ONLY_5XX)
    assert result is Judged.INCONCLUSIVE
    assert "of counts divided by" in sentence
    steady = Sides(green=side(10, failures=300), blue=usual, against=BEFORE)
    assert found(steady, ONLY_5XX)[0] is Judged.FAIL


@pytest.mark.parametrize(
    ("green", "result", "sentence"),
    [
        (
            side(slower=1.5, wobble=(1.0,)),
            Judged.FAIL,
            (
                "300 ms against 200 ms, 50 % slower: slower than the tolerated 10 % "
                "(paired t test of 5 minutes, p < 0.001)"
            ),
        ),
        (
            side(),
            Judged.PASS,
            (
                "200 ms against 200 ms, as fast: not 20 % slower "
                "(paired t test of 5 minutes, p < 0.001)"
            ),
        ),
        (
            side(slower=1.06),
            Judged.INCONCLUSIVE,
            (
                "212 ms against 200 ms, 6.0 % slower: a small slowdown is certain "
                "(paired t test of 5 minutes: 4.0 % slower to 8.0 % slower)"
            ),
        ),
        (
            side(slower=1.06, wobble=SLOW),
            Judged.INCONCLUSIVE,
            (
                "217 ms against 200 ms, 8.5 % slower: may be 20 % slower "
                "(paired t test of 5 minutes: 9.0 % faster to 29 % slower)"
            ),
        ),
        (
            side(requests=19),
            Judged.INCONCLUSIVE,
            "each side needs 20 requests a minute in 3 minutes, found in 0",
        ),
    ],
)
def test_a_percentile_is_judged_by_a_t_test(
    green: tuple[Minute, ...], result: Judged, sentence: str
) -> None:
    assert found(beside(green), ONLY_P90) == (result, sentence)


def test_what_slows_both_sides_in_the_same_minutes_cancels_out() -> None:
    slow = side(slower=2.0, wobble=SLOW)
    assert found(beside(slow, slow), ONLY_P90)[0] is Judged.PASS
    sides = Sides(green=side(slower=2.0), blue=side(30), against=BEFORE)
    assert found(sides, ONLY_P90)[0] is Judged.FAIL


def test_a_millisecond_is_tolerated_in_any_case() -> None:
    def fast(milliseconds: float) -> tuple[Minute, ...]:
        return tuple(replace(m, latency={"p90": milliseconds / 1000}) for m in side())

    assert found(beside(fast(2.9), fast(2.0)), ONLY_P90)[0] is not Judged.FAIL
    assert found(beside(fast(4.9), fast(2.0)), ONLY_P90)[0] is Judged.FAIL


def test_a_median_between_two_modes_does_not_fail_by_a_few_jumps() -> None:
    """Green's 15 requests a minute find the slow mode in each of 5 minutes, blue's the fast one."""

    def minutes(median: float) -> tuple[Minute, ...]:
        latency = {"p50": median, "p90": 0.12, "p99": 0.15}
        return tuple(Minute(at=at, requests=15, latency=latency) for at in range(5))

    sides = beside(minutes(0.07), minutes(0.006))
    assert found(sides, Analysis(compare=("p50",)))[0] is Judged.INCONCLUSIVE


def test_only_minutes_with_both_sides_are_compared() -> None:
    late = tuple(replace(each, at=each.at + 10) for each in side())
    assert found(beside(late), ONLY_P90)[1].endswith("found in 0")


def test_more_readings_and_comparisons_need_more_certainty() -> None:
    sides = beside(side(requests=600, failures=4), side(requests=6000, failures=7))
    assert judge(sides, ONLY_5XX, readings=1).result is Judged.FAIL
    assert judge(sides, ONLY_5XX, readings=10_000).result is not Judged.FAIL


@pytest.mark.parametrize(
    ("values", "result", "sentence"),
    [
        ([70, 71, None, 72], Judged.PASS, "70 to 72 in 3 minutes, not above 80"),
        ([81, 82, 83, 70], Judged.FAIL, "above 80 in 3 minutes in a row, last 70"),
        ([81, 82, None, 83], Judged.INCONCLUSIVE, "above 80 in the last minute: 83"),
        ([70], Judged.INCONCLUSIVE, "1 of 3 minutes with a value"),
    ],
)
def test_a_threshold_is_judged_by_minutes_in_a_row(
    values: list[float | None], result: Judged, sentence: str
) -> None:
    wanted = Threshold(namespace="App", metric="Queue", statistic="Maximum", above=80)
    finding = judge_threshold(wanted, values)
    assert (finding.result, finding.sentence) == (result, sentence)
    assert finding.name == "Queue Maximum"


def test_the_most_severe_finding_is_the_judgment() -> None:
    good, poor, bad = (Finding(name=each, result=each, sentence="why") for each in reversed(Judged))
    whole = joined([Judgment(findings=(good, poor)), Judgment(findings=(bad,))])
    assert (whole.result, whole.reason) == (Judged.FAIL, "fail: why")
    assert Judgment(findings=(good, poor)).reason == "inconclusive: why"
    assert Judgment().result is Judged.PASS
