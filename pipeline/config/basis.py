"""Define the base class and the common types of the tables of pipeline.toml."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from pipeline.core.validation import terraform_values, values


class Table(BaseModel):
    """A table: frozen, with known keys only, and without type conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


# TOML has lists and a frozen model keeps tuples; strict mode would not convert them.
LIST: Final = Field(strict=False)


def _seconds(rule: Callable[[str], float]) -> BeforeValidator:
    def check(value: object) -> float:
        # Not TypeError, which pydantic does not collect.
        return rule(value if isinstance(value, str) else f"{value!r}"[:32])

    return BeforeValidator(check)


_WRITTEN: Final = WithJsonSchema(
    {"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?$", "minLength": 2}
)
Duration = Annotated[float, _seconds(values.check_duration), _WRITTEN]
Pause = Annotated[float, _seconds(values.check_pause), _WRITTEN]
Region = Annotated[str, AfterValidator(values.check_region)]
Path = Annotated[str, AfterValidator(values.check_repository_path)]
KmsKey = Annotated[str, AfterValidator(terraform_values.check_kms_key)]
ANY_VALUE: Final = WithJsonSchema(
    {"type": ["string", "integer", "number", "boolean", "array", "object"]}
)


def absent_if_empty(value: object) -> object:
    """Return None for an empty text."""
    return None if value == "" else value
