"""Compute the probabilities that the tests need: hypergeometric tails and Student's t.

The standard library has neither. Tests compare them with published tables.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p, sqrt

NEGLIGIBLE = 1e-17
"""A term of a sum that changes no digit."""
STEPS = 300
TINY = 1e-300


def hypergeometric_tail(found: int, drawn: int, marked: int, total: int) -> float:
    """Return the probability of `found` or more marked ones among `drawn` of `total`."""
    lowest, highest = max(0, drawn + marked - total), min(drawn, marked)
    if found <= lowest:
        return 1.0
    if found > highest:
        return 0.0
    if found * total <= drawn * marked:  # the other tail is the shorter sum
        return 1.0 - _upper_sum(drawn - found + 1, drawn, total - marked, total)
    return _upper_sum(found, drawn, marked, total)


def _upper_sum(found: int, drawn: int, marked: int, total: int) -> float:
    """Sum the terms from `found` up; beyond the mean each is smaller than the one before."""
    chosen = _log_choose(marked, found) + _log_choose(total - marked, drawn - found)
    term = exp(chosen - _log_choose(total, drawn))
    added = 0.0
    for count in range(found, min(drawn, marked) + 1):
        added += term
        rest = (count + 1) * (total - marked - drawn + count + 1)
        term *= (marked - count) * (drawn - count) / rest
        if term < added * NEGLIGIBLE:
            break
    return min(1.0, added)


def _log_choose(size: int, chosen: int) -> float:
    return lgamma(size + 1) - lgamma(chosen + 1) - lgamma(size - chosen + 1)


def student_tail(value: float, freedom: float) -> float:
    """Return the probability that Student's t with `freedom` degrees exceeds a value."""
    if value < 0:
        return 1.0 - student_tail(-value, freedom)
    return 0.5 * _beta_ratio(freedom / 2, 0.5, freedom / (freedom + value * value))


def student_quantile(tail: float, freedom: float) -> float:
    """Return the value that Student's t exceeds with a probability of `tail`, at most a half."""
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > tail:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > tail else (low, middle)
    return high


def _beta_ratio(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_ratio(b, a, 1 - x)
    front = a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)
    return exp(front) / (a * _continued_fraction(a, b, x))


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the fraction's denominator by the modified method of Lentz."""
    fraction, above, below = 1.0, 1.0, 0.0
    for step in range(1, STEPS):
        half = step // 2
        if step % 2:
            factor = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            factor = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        below = 1 / (1 + factor * below or TINY)
        above = 1 + factor / above or TINY
        fraction *= above * below
        if abs(above * below - 1) < NEGLIGIBLE * 10:
            break
    return fraction


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean of at least two values and its standard error."""
    mean = sum(values) / len(values)
    squares = sum((each - mean) ** 2 for each in values)
    return mean, sqrt(squares / (len(values) - 1) / len(values))
