from __future__ import annotations

import pytest

from pipeline.core.validation import terraform_values as rules


@pytest.mark.parametrize("value", ["123456789012", "000000000000"])
def test_an_account_is_twelve_digits(value: str) -> None:
    assert rules.check_account_id(value) == value


@pytest.mark.parametrize(
    "value", ["self", "amazon", "12345678901", "1234567890123", "", "\uff11" * 12]
)
def test_an_alias_is_not_an_account_id(value: str) -> None:
    with pytest.raises(ValueError, match="an account id is 12 digits in quotes"):
        rules.check_account_id(value)


@pytest.mark.parametrize(
    "value", ["t3.micro", "u-6tb1.112xlarge", "mac2-m2pro.metal", "m7i-flex.large"]
)
def test_instance_types_of_every_family_are_accepted(value: str) -> None:
    assert rules.check_instance_type(value) == value


@pytest.mark.parametrize("value", ["", "t3", "T3.micro", "t3.", ".micro", "t3.micro;x", "t3.${x}"])
def test_an_invalid_instance_type_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match=r"an instance type is, for example, t3\.micro"):
        rules.check_instance_type(value)


@pytest.mark.parametrize("value", ["subnet_ids", "key-name", "_x", "A1"])
def test_an_input_has_the_name_of_a_variable(value: str) -> None:
    assert rules.check_input_name(value) == value


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("releases", "'releases' is set by the pipeline"),
        ("app", "'app' is set by the pipeline"),
        ("source", "'source' is reserved by Terraform"),
        ("for_each", "'for_each' is reserved by Terraform"),
        ("1x", "is not allowed"),
        ("a.b", "is not allowed"),
        ('x"]', "is not allowed"),
        ("x" * 65, "has 65 characters"),
    ],
)
def test_a_reserved_or_invalid_input_name_is_rejected(value: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        rules.check_input_name(value)


@pytest.mark.parametrize("value", ["states", "my.states-1", "a" * 63, "abc"])
def test_a_valid_bucket_name_is_accepted(value: str) -> None:
    assert rules.check_bucket(value) == value


@pytest.mark.parametrize("value", ["", "ab", "a" * 64, "States", "a..b", "-ab", "ab-", "a/b"])
def test_an_invalid_bucket_name_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match="the name of a bucket has"):
        rules.check_bucket(value)


@pytest.mark.parametrize(
    "value", ["", "#!/bin/sh\n\techo ${x} %{y} {{z}}\n", ["a", {"b": [1, 2.5, True]}], 0]
)
def test_an_input_may_be_a_script_or_any_value(value: object) -> None:
    assert rules.check_input(value) == value


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("a\x1b[31m", "contains the invisible character U\\+001B"),
        ("a\rb", "contains the invisible character U\\+000D"),
        ("ok\n::error::no", "contains a command to the CI runner"),
        ("x\n" * 8193, "has 16386 characters"),
        ([{"a": "b\u202e"}], "contains the invisible character U\\+202E"),
        ({"a\x00": 1}, "contains the invisible character U\\+0000"),
        (float("nan"), "not a finite number"),
    ],
)
def test_an_input_with_invisible_text_or_commands_is_rejected(value: object, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        rules.check_input(value)
