from __future__ import annotations

from typing import Any

import pytest

from local_cloud.permissions.conditions import read_conditions

TAG = "aws:RequestTag/App"


def holds(operator: str, wanted: Any, *given: str, key: str = TAG) -> bool:
    conditions = read_conditions({operator: {key: wanted}}, "statement 1")
    context = {key.lower(): given} if given else {}
    return all(condition.holds(context) for condition in conditions)


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "result"),
    [
        ("StringEquals", "web", "web", True),
        ("StringEquals", ["api", "web"], "web", True),
        ("StringEquals", "web", "Web", False),
        ("StringEquals", "we*", "web", False),
        ("StringEqualsIgnoreCase", "WEB", "web", True),
        ("StringLike", "w?b*", "web-1", True),
        ("StringLike", "w?b*", "api", False),
        ("StringNotEquals", ["api", "web"], "web", False),
        ("StringNotEquals", ["api", "web"], "job", True),
        ("StringNotLike", "w*", "web", False),
        (
            "ArnLike",
            "arn:aws:ec2:*:*:launch-template/*",
            "arn:aws:ec2:r:1:launch-template/lt",
            True,
        ),
        ("ArnLike", "arn:aws:ec2:*:launch-template/*", "arn:aws:ec2:r:1:launch-template/lt", False),
        ("ArnNotEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", True),
        ("Bool", True, "true", True),
        ("Bool", "true", "false", False),
        ("Null", True, "web", False),
        ("Null", "false", "web", True),
    ],
)
def test_an_operator_compares_the_value_of_a_key(
    operator: str, wanted: Any, given: str, result: bool
) -> None:
    assert holds(operator, wanted, given) is result


@pytest.mark.parametrize(
    ("operator", "result"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("ArnLikeIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("Bool", False),
        ("BoolIfExists", True),
    ],
)
def test_a_key_that_the_call_does_not_have_decides_by_the_operator(
    operator: str, result: bool
) -> None:
    assert holds(operator, "true") is result


def test_a_missing_key_is_null() -> None:
    assert holds("Null", "true")
    assert not holds("Null", "false")


@pytest.mark.parametrize(
    ("operator", "given", "result"),
    [
        ("ForAllValues:StringEquals", ("app", "env"), True),
        ("ForAllValues:StringEquals", ("app", "owner"), False),
        ("ForAllValues:StringLike", ("app", "owner"), False),
        ("ForAnyValue:StringEquals", ("owner", "env"), True),
        ("ForAnyValue:StringEquals", ("owner", "cost"), False),
    ],
)
def test_set_operators_compare_all_tags_of_a_request(
    operator: str, given: tuple[str, ...], result: bool
) -> None:
    assert holds(operator, ["app", "env"], *given, key="aws:TagKeys") is result
