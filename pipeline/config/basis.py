"""What every table of pipeline.toml is built on; apart, so that each can have its own file."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pipeline.core.validation import values


class Table(BaseModel):
    """A table: frozen, of known keys only, and nothing in it is turned into another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


# TOML has lists; a frozen model keeps tuples, which strict mode would refuse to make of them.
LIST: Final = Field(strict=False)


def _seconds(rule: Callable[[str], float]) -> BeforeValidator:
    def check(value: object) -> float:
        # Not TypeError, which pydantic would not collect.
        return rule(value if isinstance(value, str) else f"{value!r}"[:32])

    return BeforeValidator(check)


_WRITTEN: Final = WithJsonSchema(
    {"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?$", "minLength": 2}
)
Duration = Annotated[float, _seconds(values.check_duration), _WRITTEN]
Pause = Annotated[float, _seconds(values.check_pause), _WRITTEN]
