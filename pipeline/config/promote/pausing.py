"""Define the keys of [promote] that let a promotion wait for a person."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline.config.basis import LIST, Table
from pipeline.core.pausing.pause import ONE_DAY, Approval, OnTimeout, PausePolicy
from pipeline.core.validation import deployment_values

_Phases = Annotated[
    tuple[Annotated[str, AfterValidator(deployment_values.check_pausable)], ...],
    LIST,
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": f"^({'|'.join(deployment_values.PAUSABLE)})(-[1-9][0-9]?)?$",
            },
        }
    ),
]


def _seconds(value: object) -> float:
    return deployment_values.check_pause_time(value if isinstance(value, str) else f"{value!r}")


_PauseTime = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?$", "minLength": 2}),
]
_OnTimeout = Literal["abort", "resume"]
_Approval = Literal["anyone", "another"]


class EnvironmentPauseSettings(Table):
    """The pauses of one environment that override those of [promote]."""

    pause_before: _Phases | None = Field(default=None, description="Replace promote.pause_before.")
    pause_for: _PauseTime | None = Field(default=None, description="Override promote.pause_for.")
    on_pause_timeout: _OnTimeout | None = Field(
        default=None, description="Override promote.on_pause_timeout."
    )
    approval: _Approval | None = Field(default=None, description="Override promote.approval.")


class PauseSettings(Table):
    """When a promotion waits for a person."""

    pause_before: _Phases = Field(
        default=(),
        description="Phases before which a promotion pauses until `resume` or `abort`.",
        examples=[["drain"]],
    )
    pause_for: _PauseTime = Field(
        default=ONE_DAY,
        json_schema_extra={"default": "24h"},
        description="How long a pause may last.",
    )
    on_pause_timeout: _OnTimeout = Field(
        default="abort",
        description="What the next command does once that time is over: abort or resume.",
    )
    approval: _Approval = Field(
        default="anyone",
        description="Who may resume: anyone, or another person than the one who promoted.",
    )

    @property
    def pauses(self) -> PausePolicy:
        """Return when a deployment pauses."""
        return PausePolicy(
            before=self.pause_before,
            limit=self.pause_for,
            on_timeout=OnTimeout(self.on_pause_timeout),
            approval=Approval(self.approval),
        )
