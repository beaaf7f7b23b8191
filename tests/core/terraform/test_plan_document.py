"""Read the attributes that a plan changes."""

from __future__ import annotations

from typing import Any

from pipeline.core.terraform.plan_document import (
    PlannedResource,
    differences,
    with_attributes,
    without_keys,
)

ADDRESS = 'module.release.aws_autoscaling_group.this["r000001"]'


def update(before: dict[str, Any], after: dict[str, Any], **more: Any) -> PlannedResource:
    given: dict[str, Any] = {"unknown": {}, "expressions": {}, "actions": ("update",), **more}
    return PlannedResource(
        address=ADDRESS, kind="aws_autoscaling_group", before=before, after=after, **given
    )


def test_an_address_loses_its_keys() -> None:
    assert without_keys('module.a["x.]y"].aws_b.this["r000001/cpu"]') == "module.a.aws_b.this"
    assert without_keys("module.a.aws_b.this[0]") == "module.a.aws_b.this"
    assert update({}, {}).name == "aws_autoscaling_group.this"


def test_each_changed_attribute_has_its_value_before_and_after() -> None:
    before = {"desired_capacity": 3, "name": "a", "tag": [{"key": "k", "value": "old"}]}
    after = {"desired_capacity": 2, "name": "a", "tag": [{"key": "k", "value": "new"}]}
    assert differences(update(before, after)) == (
        "desired_capacity: 3 -> 2",
        'tag[0].value: "old" -> "new"',
    )


def test_lists_of_other_lengths_are_shown_whole() -> None:
    found = differences(update({"tag": [{"a": 1}]}, {"tag": [{"a": 1}, {"a": 2}]}))
    assert found == ('tag: [{"a": 1}] -> [{"a": 1}, {"a": 2}]',)


def test_an_unknown_value_has_terraforms_words() -> None:
    resource = update(
        {"arn": "a", "launch_template": [{"id": "lt-1", "version": "1"}]},
        {"launch_template": [{"id": "lt-1"}]},
        unknown={"arn": True, "launch_template": [{"version": True}], "tag": [], "id": False},
    )
    assert differences(resource) == (
        'arn: "a" -> (known after apply)',
        'launch_template[0].version: "1" -> (known after apply)',
    )


def test_a_sensitive_value_is_never_shown() -> None:
    sensitive = ({"user_data": True, "same": True}, {"user_data": True, "same": True})
    resource = update(
        {"user_data": "secret", "same": "secret"},
        {"user_data": "secret2", "same": "secret"},
        sensitive=sensitive,
    )
    assert differences(resource) == ("user_data: (sensitive value) -> (sensitive value)",)


def test_a_sensitive_part_of_a_list_is_never_shown() -> None:
    resource = update(
        {"tag": [{"value": "a"}]},
        {"tag": [{"value": "a"}, {"value": "b"}]},
        sensitive=({"tag": [{"value": True}]}, {"tag": [{"value": True}, {"value": True}]}),
    )
    [line] = differences(resource)
    assert '"b"' not in line
    assert "(sensitive value)" in line


def test_a_long_value_is_cut() -> None:
    [line] = differences(update({"user_data": "a" * 200}, {"user_data": "b"}))
    assert line == f'user_data: "{"a" * 79}... -> "b"'


def test_lines_of_a_refused_plan_are_followed_by_the_attributes() -> None:
    lines = [f"{ADDRESS}: update", "module.release.aws_x.y: create"]
    changed = [update({"max_size": 4}, {"max_size": 6})]
    assert with_attributes(lines, changed) == (
        f"{ADDRESS}: update",
        "  max_size: 4 -> 6",
        "module.release.aws_x.y: create",
    )
