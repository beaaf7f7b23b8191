from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pipeline.core.validation import values
from tests.core.hostile import ALL, HOSTILE, MEBIBYTE, Field, Hostile

if TYPE_CHECKING:
    from collections.abc import Callable

RULES: dict[Field, Callable[[str], str]] = {
    "app": values.check_app,
    "environment": values.check_environment,
    "version": values.check_version,
    "region": values.check_region,
    "tag key": values.check_tag_key,
    "tag value": values.check_tag_value,
    "path": values.check_path,
    "variable name": values.check_variable_name,
    "variable value": values.check_variable_value,
}
# Unusual values that must be accepted.
GOOD: dict[Field, tuple[str, ...]] = {
    "app": ("web", "a", "web-2", "a" * 32, "r2", "web-r2"),
    "environment": ("staging", "eu-production", "p1"),
    "version": ("1.4.2", "v1", "2024-05-17_12.30", "1.0.0+build.5", "9f2c1ab", "1" * 64),
    "region": (
        "us-east-1",
        "eu-central-1",
        "ap-southeast-7",
        "us-gov-west-1",
        "cn-northwest-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "mx-central-1",
        "il-central-1",
    ),
    "tag key": ("Team", "cost-center", "k8s.io/role", "a b", "name", "k" * 128, "a@b", "a:b"),
    "tag value": ("", "web", "Größe", "日本語", "a b", "x@example.org", "v" * 256, "-1", "a/b:c=d"),
    "path": (".", "packer/app.pkr.hcl", "a b/c", ".hidden", "a/b-c_d", "...", "a@b", "x+y=z,1"),
    "variable name": ("port", "_x", "instance_type", "a-b", "n" * 64),
    "variable value": (
        "",
        "8080",
        "https://example.org/?a=1&b=2;c#d",
        "$HOME and 100% of $5",
        "AWS::EC2::Instance",
        "std::error_code",
        "fe80::1",
        "Grüße 😀",
        "{a} [b] `c` 'd' \"e\"",
        "-x",
        "@y",
        "../z",
        "v" * 16_384,
    ),
}


@pytest.mark.parametrize("field", ALL)
def test_each_hostile_value_is_rejected_at_once_in_one_plain_line(field: Field) -> None:
    """One test for each field: pytest takes longer for a test than the check of a value."""
    for hostile in (each for each in HOSTILE if each.field == field):
        start = time.process_time()  # CPU time, because other tests run at the same time
        message = rejection(hostile)
        assert time.process_time() - start < 0.1, hostile
        assert ":" in message, hostile
        assert message.isprintable(), hostile
        assert message.isascii(), hostile
        assert len(message) < 500, hostile


def rejection(hostile: Hostile) -> str:
    """Return why a value is rejected; fail the test if it is accepted."""
    try:
        RULES[hostile.field](hostile.value)
    except ValueError as error:
        return str(error)
    pytest.fail(f"accepted: {hostile}")


def test_the_table_is_large_and_covers_every_field() -> None:
    assert len(HOSTILE) >= 600
    assert {hostile.field for hostile in HOSTILE} == set(ALL)


def test_the_table_has_no_duplicate_rows() -> None:
    assert len({(hostile.field, hostile.value) for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("field", ALL)
def test_each_good_value_is_returned_unchanged(field: Field) -> None:
    assert [RULES[field](value) for value in GOOD[field]] == list(GOOD[field])


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            values.check_account,
            ("012345678901", "amazon", "self", "aws-marketplace", "aws-backup-vault"),
            ("", "12345", "1234567890123", "Amazon", "microsoft", "01234567890\u0661", "*"),
        ),
        (
            values.check_image_id,
            ("ami-01234567", "ami-0123456789abcdef0"),
            ("", "ami-", "ami-0123", "AMI-01234567", "ami-0123456G", "i-01234567", "ami-012345678"),
        ),
        (
            values.check_image_filter,
            ("al2023-ami-2023.*-x86_64", "web-??-*", "My image (1)"),
            ("", "*", "a*", "???", "x,y*z", "$(id)abc", "abc\n", MEBIBYTE),
        ),
        (
            values.check_env_variable,
            ("WEB_TOKEN", "_x", "a1"),
            ("", "1X", "A-B", "A B", "A=B", "$A", "\u0410", "A\0", "A" * 129),
        ),
        (
            values.check_build_name,
            ("amazon-ebs.app", "*.east", "a, b", "web: prod", "web (prod)", "a/b", "sch\u00f6n"),
            ("", "-only", "a\nb", " a", "{{x}}", "a" * 129),
        ),
        (
            values.check_state_url,
            (".ami-pipeline", "/var/lib/ami-pipeline", "s3://bucket", "s3://my-bucket/a/b", "x/y"),
            (
                "",
                "../x",
                "/a/../b",
                "s3://",
                "s3://UPPER/x",
                "s3://ab/x",
                "s3://bucket/../x",
                "S3://bucket",
                "https://bucket/x",
                "file:///x",
                "-x",
                "a\0",
                "s3://a..b/x",
            ),
        ),
    ],
    ids=["account", "image id", "image filter", "environment variable", "build name", "state"],
)
def test_other_values_have_their_own_rules(
    rule: Callable[[str], str], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    assert [rule(value) for value in good] == list(good)
    for value in bad:
        with pytest.raises(ValueError, match=":"):
            rule(value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1h0m1s", 3601), ("24h", 86400)],
)
def test_a_duration_becomes_seconds(written: str, seconds: float) -> None:
    assert values.check_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "0s", "0h0m", "90", "1.5h", "-1m", "25h", "1m1h", "1d", "1H", "nan", "1e9s", "9" * 99],
)
def test_an_invalid_duration_is_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="a duration is written"):
        values.check_duration(written)


def test_a_variable_may_have_any_json_type() -> None:
    value = {"a": [1, 2.5, True, "x", {"b": []}]}
    assert values.check_variable(value) is value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), ["a\0"], {"a": "{{env `X`}}"}, {"a\nb": 1}, object(), None],
)
def test_a_variable_is_rejected_for_a_nested_value(value: object) -> None:
    with pytest.raises(ValueError, match=":"):
        values.check_variable(value)


def test_a_variable_that_contains_itself_is_rejected() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="nests deeper than 8 levels"):
        values.check_variable(value)


def test_more_tags_than_aws_allows_are_rejected() -> None:
    assert values.check_tags({f"t{number}": "" for number in range(40)})
    with pytest.raises(ValueError, match="has 51 tags, at most 40"):
        values.check_tags({f"t{number}": "" for number in range(51)})


def test_no_message_shows_a_value_that_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match="the value contains a template call") as caught:
        values.check_variable_value("canary-5f2c {{env `X`}}")
    assert "canary" not in str(caught.value)


def test_the_messages_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="Availability Zone") as caught:
        values.check_region("eu-central-1b")
    assert (
        str(caught.value)
        == "'eu-central-1b' is an Availability Zone: write its region, eu-central-1"
    )
    with pytest.raises(ValueError, match="reserved") as caught:
        values.check_tag_key("Name")
    assert str(caught.value) == (
        "'Name' is reserved: choose another key, because the pipeline sets Name and "
        "ami-pipeline:..., and AWS sets aws:..."
    )
    with pytest.raises(ValueError, match="contains the") as caught:
        values.check_app("we\u200bb")
    assert str(caught.value) == (
        "'we\\u200bb' contains the invisible character U+200B: the name of an application has "
        "1 to 32 characters from a-z 0-9 -, begins with a letter, and has no -- and no - at the end"
    )
