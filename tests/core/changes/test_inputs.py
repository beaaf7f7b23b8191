"""What differs between the inputs of two releases."""

from __future__ import annotations

from typing import Any

from pipeline.core.changes.inputs import (
    InputChange,
    input_changes,
    is_digest,
    module_inputs,
    names_of,
)

BEFORE = {"instance_type": "t3.small", "min_size": 2, "terraform.inputs.key_name": "ada"}
AFTER = {"instance_type": "t3.large", "min_size": 2, "terraform.inputs.user_data": "true\n"}


def test_changed_added_and_removed_inputs_differ() -> None:
    assert input_changes(BEFORE, AFTER) == (
        InputChange(name="instance_type", before="t3.small", after="t3.large"),
        InputChange(name="terraform.inputs.key_name", before="ada", after=None),
        InputChange(name="terraform.inputs.user_data", before=None, after="true\n"),
    )


def test_inputs_that_were_not_recorded_are_not_known_to_differ() -> None:
    assert input_changes(None, AFTER) == input_changes(BEFORE, None) == ()


def test_the_module_gets_only_its_own_inputs() -> None:
    assert module_inputs(AFTER) == {"user_data": "true\n"}


def test_the_names_of_policies_are_those_of_the_inputs() -> None:
    inputs: dict[str, Any] = {"terraform.inputs.scaling_policies": {"requests": {}, "cpu": {}}}
    assert names_of(inputs, "scaling_policies") == ("cpu", "requests")
    assert names_of(inputs, "schedules") == ()
    assert names_of(None, "schedules") is None
    assert names_of({"terraform.inputs.schedules": "of another module"}, "schedules") is None


def test_hashes_are_not_shown_as_values() -> None:
    assert is_digest("terraform.module")
    assert is_digest("content of user_data_template")
    assert not is_digest("terraform.inputs.user_data_template")
