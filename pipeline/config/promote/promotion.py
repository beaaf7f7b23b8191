"""Define the keys of [promote] and of [environments.NAME.promote]."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from pipeline.config.basis import LIST, Duration, Pause
from pipeline.config.promote.analysis import AnalysisSettings, EnvironmentAnalysisSettings
from pipeline.config.promote.hooks import HookList
from pipeline.config.promote.pausing import EnvironmentPauseSettings, PauseSettings
from pipeline.config.promote.probe import EnvironmentProbeSettings, ProbeSettings
from pipeline.config.promote.traffic import Steps
from pipeline.core.state.deployment import Policy
from pipeline.core.state.strategy import Strategy
from pipeline.core.validation import deployment_values, values

MOST_CHECKS: Final = 60
LONGEST_WINDOW: Final = 10
"""The document keeps the inputs of as many earlier releases."""


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


_Window = Annotated[int, Field(ge=0, le=LONGEST_WINDOW)]


class EnvironmentPromoteSettings(EnvironmentPauseSettings):
    """The settings of one environment that override [promote]."""

    healthy_checks: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CHECKS,
        description="Override promote.healthy_checks.",
    )
    soak: Pause | None = Field(default=None, description="Override promote.soak.")
    observe: Pause | None = Field(default=None, description="Override promote.observe.")
    keep_previous: _Keep | None = Field(default=None, description="Override promote.keep_previous.")
    rollback_window: _Window | None = Field(
        default=None, description="Override promote.rollback_window."
    )
    deadline: Duration | None = Field(default=None, description="Override promote.deadline.")
    deadlines: _Deadlines = Field(
        default={}, description="Override promote.deadlines, phase by phase."
    )
    capacity_timeout: Duration | None = Field(
        default=None, description="Override promote.capacity_timeout."
    )
    wait_for_slow_start: bool | None = Field(
        default=None, description="Override promote.wait_for_slow_start."
    )
    overlap: bool | None = Field(default=None, description="Override promote.overlap.")
    strategy: Strategy | None = Field(
        default=None, strict=False, description="Override promote.strategy."
    )
    steps: Steps | None = Field(default=None, description="Replace promote.steps.")
    min_healthy: int | None = Field(
        default=None, ge=50, le=100, description="Override promote.min_healthy."
    )
    alarms: _Alarms | None = Field(default=None, description="Replace promote.alarms.")
    hooks: HookList | None = Field(default=None, description="Replace promote.hooks.")
    probe: EnvironmentProbeSettings = Field(
        default=EnvironmentProbeSettings.model_construct(),
        description="Overrides of [promote.probe].",
    )
    analysis: EnvironmentAnalysisSettings = Field(
        default=EnvironmentAnalysisSettings.model_construct(),
        description="Overrides of [promote.analysis].",
    )


class PromoteSettings(PauseSettings):
    """How a deployment puts an image into service; durations are in seconds."""

    healthy_checks: int = Field(
        default=3,
        ge=1,
        le=MOST_CHECKS,
        description="Consecutive checks that must find every instance healthy.",
    )
    soak: Pause = Field(
        default=values.check_pause(deployment_values.DEFAULT_PAUSES["soak"]),
        json_schema_extra={"default": deployment_values.DEFAULT_PAUSES["soak"]},
        description="How long both releases serve before the old one is drained.",
    )
    observe: Pause = Field(
        default=values.check_pause(deployment_values.DEFAULT_PAUSES["observe"]),
        json_schema_extra={"default": deployment_values.DEFAULT_PAUSES["observe"]},
        description="How long the new release serves alone before the old one is retired.",
    )
    keep_previous: _Keep = Field(
        default=deployment_values.NONE,
        description="How long the old release stays warm: none, a duration, or next (promote).",
    )
    rollback_window: _Window = Field(
        default=3,
        description="A cold rollback to one of the last N releases does not soak and observe.",
    )
    deadline: Duration = Field(
        default=900.0,
        json_schema_extra={"default": "15m"},
        description="The time limit of each phase.",
    )
    deadlines: _Deadlines = Field(default={}, description="Time limits of single phases, by name.")
    capacity_timeout: Duration = Field(
        default=300.0,
        json_schema_extra={"default": "5m"},
        description="How long EC2 may have no capacity for the new release before it fails.",
    )
    wait_for_slow_start: bool = Field(
        default=True,
        description="Whether the soak lasts at least as long as the slow start of a target group.",
    )
    overlap: bool = Field(
        default=True,
        description="Whether new workers start before the old ones stop (no load balancers).",
    )
    strategy: Strategy = Field(
        default=Strategy.OVERLAP,
        strict=False,
        description="How traffic moves: overlap, flip, canary or batches.",
    )
    steps: Steps = Field(default=(), description="The steps of a canary, in order.")
    min_healthy: int = Field(
        default=90,
        ge=50,
        le=100,
        description="The percent of the old release's instances that batches always keep healthy.",
    )
    alarms: _Alarms = Field(
        default=(), description="CloudWatch alarms that roll back the deployment, by name."
    )
    hooks: HookList = Field(
        default=(), description="Programs that run at points of each deployment."
    )
    probe: ProbeSettings = Field(
        default=ProbeSettings.model_construct(),
        description="Requests that the pipeline sends during a deployment.",
    )
    analysis: AnalysisSettings = Field(
        default=AnalysisSettings.model_construct(),
        description="Metrics that are compared during a deployment.",
    )

    def with_overrides(self, over: EnvironmentPromoteSettings) -> "PromoteSettings":
        """Return these settings with the overrides of an environment; deadlines merge by phase."""
        values_by_name = {name: getattr(over, name) for name in type(over).model_fields}
        given = {name: value for name, value in values_by_name.items() if value is not None}
        merged = {
            "deadlines": {**self.deadlines, **over.deadlines},
            "probe": self.probe.with_overrides(over.probe),
            "analysis": self.analysis.with_overrides(over.analysis),
        }
        return self.model_copy(update={**given, **merged})

    @property
    def policy(self) -> Policy:
        """Return the policy of a deployment.

        The time limit of a phase with a pause is the pause plus the common deadline, unless the
        phase has a deadline of its own.
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
            hooks=tuple(each.hook for each in self.hooks),
            alarms=self.alarms,
            probe=self.probe.probe,
            analysis=self.analysis.analysis,
            patience=self.capacity_timeout,
            waits_for_slow_start=self.wait_for_slow_start,
            overlap=self.overlap,
            strategy=self.strategy,
            steps=tuple(each.step for each in self.steps),
            min_healthy=self.min_healthy,
            pauses=self.pauses,
        )
