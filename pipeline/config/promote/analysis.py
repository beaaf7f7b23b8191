"""Define the keys of [promote.analysis] and of [environments.NAME.promote.analysis]."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline.config.basis import LIST, Table
from pipeline.core.analysis.policy import COMPARISONS, Analysis, Threshold
from pipeline.core.validation import analysis_values

MOST_METRICS: Final = 50
MOST_DIMENSIONS: Final = 30


def _share(value: object) -> float:
    return analysis_values.check_share(value if isinstance(value, str) else f"{value!r}"[:32])


_Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}(\.\d{1,3})?%$"}),
]
_Comparison = Literal["5xx", "p50", "p90", "p99"]
_Compare = Annotated[tuple[_Comparison, ...], LIST]
_Inconclusive = Literal["pass", "wait", "fail"]
_Namespace = Annotated[str, AfterValidator(analysis_values.check_namespace)]
_Name = Annotated[str, AfterValidator(analysis_values.check_name)]
_Statistic = Annotated[str, AfterValidator(analysis_values.check_statistic)]
_Requests = Annotated[int, Field(ge=1, le=1_000_000_000)]
_Minutes = Annotated[int, Field(ge=1, le=1440)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class MetricSettings(Table):
    """A CloudWatch metric with a limit."""

    namespace: _Namespace = Field(description="The metric's namespace.", examples=["AWS/EC2"])
    metric: _Name = Field(description="The metric's name.", examples=["CPUUtilization"])
    dimensions: Annotated[Mapping[_Name, _Name], Field(max_length=MOST_DIMENSIONS)] = Field(
        default={},
        description="The metric's dimensions by name; {group} is the new server group's name.",
        examples=[{"AutoScalingGroupName": "{group}"}],
    )
    statistic: _Statistic = Field(
        default="Average", description="The statistic of each minute, such as Sum or p99."
    )
    above: _Number | None = Field(
        default=None, description="A minute with a larger value breaches the limit."
    )
    below: _Number | None = Field(
        default=None, description="A minute with a smaller value breaches the limit."
    )
    minutes: _Minutes = Field(
        default=3, description="Minutes in a row that must breach the limit to fail."
    )

    @property
    def threshold(self) -> Threshold:
        """Return the metric of an analysis."""
        return Threshold(
            namespace=self.namespace,
            metric=self.metric,
            statistic=self.statistic,
            dimensions=tuple(self.dimensions.items()),
            above=self.above,
            below=self.below,
            minutes=self.minutes,
        )


_Metrics = Annotated[tuple[MetricSettings, ...], LIST, Field(max_length=MOST_METRICS)]


class EnvironmentAnalysisSettings(Table):
    """The settings of one environment that override [promote.analysis]."""

    enabled: bool | None = Field(default=None, description="Override promote.analysis.enabled.")
    compare: _Compare | None = Field(default=None, description="Replace promote.analysis.compare.")
    more_5xx: _Share | None = Field(default=None, description="Override promote.analysis.more_5xx.")
    slower: _Share | None = Field(default=None, description="Override promote.analysis.slower.")
    min_requests: _Requests | None = Field(
        default=None, description="Override promote.analysis.min_requests."
    )
    min_minutes: _Minutes | None = Field(
        default=None, description="Override promote.analysis.min_minutes."
    )
    on_inconclusive: _Inconclusive | None = Field(
        default=None, description="Override promote.analysis.on_inconclusive."
    )
    metrics: _Metrics | None = Field(default=None, description="Replace promote.analysis.metrics.")


class AnalysisSettings(Table):
    """Metrics that are compared while the new release has traffic."""

    enabled: bool = Field(
        default=False, description="Whether metrics of the load balancers decide, too."
    )
    compare: _Compare = Field(
        default=("5xx", "p50", "p90", "p99"),
        description="What is compared: the share of 5xx, and percentiles of the latency.",
    )
    more_5xx: _Share = Field(
        default=0.001,
        json_schema_extra={"default": "0.1%"},
        description="How many percentage points more 5xx than before are tolerated.",
    )
    slower: _Share = Field(
        default=0.1,
        json_schema_extra={"default": "10%"},
        description="By how much a percentile of the latency may be longer.",
    )
    min_requests: _Requests = Field(
        default=50, description="Requests that each side needs before its 5xx are judged."
    )
    min_minutes: _Minutes = Field(
        default=5, description="Complete minutes that each analyzed phase lasts at least."
    )
    on_inconclusive: _Inconclusive = Field(
        default="pass",
        description="What follows without a result at the end of a phase: pass, wait or fail.",
    )
    metrics: _Metrics = Field(default=(), description="CloudWatch metrics with a limit.")

    def with_overrides(self, over: EnvironmentAnalysisSettings) -> "AnalysisSettings":
        """Return these settings with the overrides of an environment."""
        given = {name: getattr(over, name) for name in type(over).model_fields}
        return self.model_copy(update={k: v for k, v in given.items() if v is not None})

    @property
    def analysis(self) -> Analysis | None:
        """Return the analysis of a deployment, None if it is not enabled."""
        if not self.enabled:
            return None
        return Analysis(
            compare=tuple(each for each in COMPARISONS if each in self.compare),
            more_failures=self.more_5xx,
            slower=self.slower,
            requests=self.min_requests,
            minutes=self.min_minutes,
            inconclusive=self.on_inconclusive,
            metrics=tuple(each.threshold for each in self.metrics),
        )
