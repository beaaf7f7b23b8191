"""Rules of composite alarms."""

from __future__ import annotations

import pytest

from local_cloud.metrics.rule import evaluate, names

STATES = {"a": "ALARM", "b": "OK", "two words": "ALARM", "arn:aws:x:alarm:c": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ("ALARM(a)", True),
        ('ALARM("two words")', True),
        ("ALARM('b')", False),
        ("OK(b) AND INSUFFICIENT_DATA(arn:aws:x:alarm:c)", True),
        ("ALARM(b) OR ALARM(a) AND OK(b)", True),
        ("(ALARM(b) OR ALARM(a)) AND NOT OK(b)", False),
        ("NOT (ALARM(a) AND OK(b))", False),
        ("NOT NOT TRUE AND NOT FALSE", True),
        ("ALARM(unknown)", False),
    ],
)
def test_a_rule_is_met_as_its_operators_bind(rule: str, met: bool) -> None:
    assert evaluate(rule, STATES.get) is met


@pytest.mark.parametrize(
    "rule", ["", "ALARM", "ALARM(a", "(ALARM(a)", "ALARM(a) OK(b)", "XOR(a)", "AND ALARM(a)"]
)
def test_text_that_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"unexpected|not closed"):
        evaluate(rule, STATES.get)


def test_the_alarms_of_a_rule_are_named() -> None:
    assert names('ALARM("two words") OR (NOT OK(b))') == ["two words", "b"]
