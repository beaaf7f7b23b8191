"""Compare the inputs of two releases: everything besides the image that makes one.

Inputs are JSON values by their names in pipeline.toml, such as `instance_type` or
`terraform.inputs.user_data`. Files and modules count by the hash of their content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Inputs = Mapping[str, Any]

SIZES: Final = ("min_size", "max_size", "desired_capacity")
"""The inputs that are the configured size; Auto Scaling owns the numbers afterwards."""
INSTANCE_TYPE: Final = "instance_type"
TERRAFORM: Final = "terraform.inputs."
"""What begins the names of the module's inputs."""


MODULE: Final = "terraform.module"
CONTENT: Final = "content of "
"""What begins the name of a file's content."""


def is_digest(name: str) -> bool:
    """Return True for an input whose value is a hash of a file's or a module's content."""
    return name == MODULE or name.startswith(CONTENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class InputChange:
    """An input that differs between two releases; None means that it is not set."""

    name: str
    before: Any
    after: Any


def input_changes(before: Inputs | None, after: Inputs | None) -> tuple[InputChange, ...]:
    """Return the inputs that differ, by name; none if either side is unknown.

    An earlier ami-pipeline did not record the inputs of a release.
    """
    if before is None or after is None:
        return ()
    names = sorted(before.keys() | after.keys())
    changes = (
        InputChange(name=name, before=before.get(name), after=after.get(name)) for name in names
    )
    return tuple(each for each in changes if each.before != each.after)


def module_inputs(inputs: Inputs) -> dict[str, Any]:
    """Return the inputs that the module receives, by their names there."""
    return {
        name.removeprefix(TERRAFORM): value
        for name, value in inputs.items()
        if name.startswith(TERRAFORM)
    }


def names_of(inputs: Inputs | None, name: str) -> tuple[str, ...] | None:
    """Return the keys of a map among the module's inputs, None if the inputs are unknown."""
    if inputs is None:
        return None
    found = inputs.get(f"{TERRAFORM}{name}", {})
    return tuple(sorted(found)) if isinstance(found, Mapping) else None
