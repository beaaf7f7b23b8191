"""The probabilities of the tests, compared with exact sums and with published tables."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb

import pytest

from pipeline.core.analysis.distributions import (
    hypergeometric_tail,
    student_quantile,
    student_tail,
)


def exact(found: int, drawn: int, marked: int, total: int) -> float:
    ways = (
        comb(marked, k) * comb(total - marked, drawn - k)
        for k in range(found, min(drawn, marked) + 1)
        if drawn - k <= total - marked
    )
    return float(Fraction(sum(ways), comb(total, drawn)))


def test_the_hypergeometric_tail_is_the_exact_sum() -> None:
    dice = random.Random(1)  # noqa: S311
    for _ in range(200):
        total = dice.randint(2, 200)
        drawn, marked = dice.randint(0, total), dice.randint(0, total)
        found = dice.randint(0, drawn)
        case = (found, drawn, marked, total)
        assert hypergeometric_tail(*case) == pytest.approx(exact(*case), abs=1e-10), case


def test_fishers_lady_tasting_tea() -> None:
    """Fisher, The Design of Experiments, 1935: 17 of 70 ways have three or more right."""
    assert hypergeometric_tail(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert hypergeometric_tail(4, 4, 4, 8) == pytest.approx(1 / 70)


@pytest.mark.parametrize(
    ("freedom", "tail", "value"),
    [(1, 0.05, 6.314), (4, 0.01, 3.747), (9, 0.0005, 4.781), (30, 0.025, 2.042)],
)
def test_students_t_is_that_of_the_tables(freedom: int, tail: float, value: float) -> None:
    assert student_tail(value, freedom) == pytest.approx(tail, rel=1e-3)
    assert student_tail(-value, freedom) == pytest.approx(1 - tail, rel=1e-3)
    assert student_quantile(tail, freedom) == pytest.approx(value, rel=1e-3)
