"""[promote]: how an image is put into service, everywhere and in one environment.

Beside `model`, whose kind it is, so that each file can be read in one go.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline.config.basis import LIST, Duration, Pause, Table
from pipeline.core.state.deployment import Hook, Policy
from pipeline.core.validation import deployment_values, values

MOST_LOOKS: Final = 60


def _has_program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0]:
        raise ValueError('names no program: write a list such as ["./smoke.sh", "--fast"]')
    return words


_Word = Annotated[str, AfterValidator(deployment_values.check_argument)]
_Command = Annotated[
    tuple[_Word, ...],
    LIST,
    BeforeValidator(deployment_values.check_command),
    AfterValidator(_has_program),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
_Phase = Annotated[str, AfterValidator(deployment_values.check_phase)]
_Deadlines = Annotated[
    Mapping[_Phase, Duration],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                phase: {"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?$", "minLength": 2}
                for phase in deployment_values.PHASES
            },
            "additionalProperties": False,
        }
    ),
]
_Alarms = Annotated[tuple[Annotated[str, AfterValidator(deployment_values.check_alarm)], ...], LIST]
_Keep = Annotated[
    str,
    AfterValidator(deployment_values.check_keep),
    WithJsonSchema(
        {"type": "string", "pattern": "^(none|next|(\\d+h)?(\\d+m)?(\\d+s)?)$", "minLength": 2}
    ),
]


class HookSettings(Table):
    """A program that must say yes before traffic comes."""

    command: _Command = Field(
        description="The program and its arguments, as a list; no shell reads it.",
        examples=[["./smoke.sh", "--fast"]],
    )
    timeout: Duration = Field(
        default=300.0,
        json_schema_extra={"default": "5m"},
        description="The longest it may take.",
    )


_Hooks = Annotated[tuple[HookSettings, ...], LIST]


class EnvironmentPromoteSettings(Table):
    """What one environment changes about a promotion; its words win over those of [promote]."""

    healthy_checks: int | None = Field(
        default=None,
        ge=1,
        le=MOST_LOOKS,
        description="As promote.healthy_checks, for this environment.",
    )
    soak: Pause | None = Field(default=None, description="As promote.soak, for this environment.")
    observe: Pause | None = Field(
        default=None, description="As promote.observe, for this environment."
    )
    keep_previous: _Keep | None = Field(
        default=None, description="As promote.keep_previous, for this environment."
    )
    deadline: Duration | None = Field(
        default=None, description="As promote.deadline, for this environment."
    )
    deadlines: _Deadlines = Field(
        default={}, description="Laid over promote.deadlines, phase by phase."
    )
    alarms: _Alarms | None = Field(default=None, description="In the place of promote.alarms.")
    verify: _Hooks | None = Field(default=None, description="In the place of promote.verify.")


class PromoteSettings(Table):
    """How an image is put into service. Durations are seconds."""

    healthy_checks: int = Field(
        default=3,
        ge=1,
        le=MOST_LOOKS,
        description="How many looks in a row must find every instance healthy.",
    )
    soak: Pause = Field(
        default=values.check_pause(deployment_values.DEFAULT_PAUSES["soak"]),
        json_schema_extra={"default": deployment_values.DEFAULT_PAUSES["soak"]},
        description="How long old and new serve together before the old one is drained.",
    )
    observe: Pause = Field(
        default=values.check_pause(deployment_values.DEFAULT_PAUSES["observe"]),
        json_schema_extra={"default": deployment_values.DEFAULT_PAUSES["observe"]},
        description="How long the new one serves alone before the old one may go.",
    )
    keep_previous: _Keep = Field(
        default=deployment_values.NONE,
        description="How long the old one stays warm afterwards: none, a duration, or next.",
    )
    deadline: Duration = Field(
        default=900.0,
        json_schema_extra={"default": "15m"},
        description="The longest a phase may wait.",
    )
    deadlines: _Deadlines = Field(
        default={}, description="The longest one phase may wait, by name."
    )
    alarms: _Alarms = Field(
        default=(), description="CloudWatch alarms that must stay quiet, by name."
    )
    verify: _Hooks = Field(
        default=(), description="Programs that must say yes before traffic comes."
    )

    def with_overrides(self, over: EnvironmentPromoteSettings) -> "PromoteSettings":
        """Lay the words of an environment over these: deadlines by phase, all else as a whole."""
        said = {name: getattr(over, name) for name in type(over).model_fields}
        given = {name: value for name, value in said.items() if value is not None}
        return self.model_copy(update={**given, "deadlines": {**self.deadlines, **over.deadlines}})

    @property
    def policy(self) -> Policy:
        """What the deployer needs of it.

        A pause is no part of the time its phase may wait for the fleet: unless that phase has a
        deadline of its own, it gets the pause and the common one.
        """
        paused = {
            phase: getattr(self, pause) + self.deadline
            for pause, phase in deployment_values.PAUSES.items()
        }
        return Policy(
            healthy_checks=self.healthy_checks,
            soak=self.soak,
            observe=self.observe,
            keep=deployment_values.read_keep(self.keep_previous),
            deadline=self.deadline,
            deadlines={**paused, **self.deadlines},
            verify=tuple(Hook(command=each.command, timeout=each.timeout) for each in self.verify),
            alarms=self.alarms,
        )
