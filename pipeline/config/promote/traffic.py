"""Define the keys that say how traffic moves: pairs of target groups, and the steps of a canary."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from pipeline.config.basis import LIST, Pause, Table
from pipeline.core.state.strategy import Step
from pipeline.core.validation import deployment_values

MOST_STEPS: Final = 20
MOST_PAIRS: Final = 10

TargetGroup = Annotated[str, AfterValidator(deployment_values.check_target_group)]
_Listener = Annotated[str, AfterValidator(deployment_values.check_listener)]
_Rule = Annotated[str, AfterValidator(deployment_values.check_rule)]
_ListenerOrRule = Annotated[str, AfterValidator(deployment_values.check_listener_or_rule)]
_Members = Annotated[
    int | str,
    AfterValidator(deployment_values.check_members),
    WithJsonSchema({"type": ["integer", "string"], "pattern": "^[0-9]{1,2}%$", "minimum": 1}),
]


class PairSettings(Table):
    """Two target groups behind one listener or rule, whose weights say which has the traffic."""

    listener: _Listener | None = Field(
        default=None, description="The ARN of the listener whose default action forwards to both."
    )
    listener_rule: _Rule | None = Field(
        default=None, description="The ARN of the listener rule that forwards to both."
    )
    target_groups: Annotated[tuple[TargetGroup, ...], LIST] = Field(
        min_length=2, max_length=2, description="The two target groups, each by name or ARN."
    )
    test_listener: _ListenerOrRule | None = Field(
        default=None,
        description="The ARN of a listener or rule that reaches a release before it has traffic.",
    )


class StepSettings(Table):
    """One step of a canary: what the new release gets, and for how long."""

    model_config = ConfigDict(populate_by_name=False)

    weight: int | None = Field(
        default=None, ge=1, le=99, description="The percent of new requests, behind a pair."
    )
    members: _Members | None = Field(
        default=None, description='The number of its instances, or a share of the old: "50%".'
    )
    seconds: Pause = Field(alias="for", description="How long the step lasts.")
    pause: bool = Field(
        default=False, description="Whether the promotion pauses at the end of the step."
    )

    @property
    def step(self) -> Step:
        """Return the step of a deployment."""
        count = self.members if isinstance(self.members, int) else 0
        share = int(self.members.rstrip("%")) if isinstance(self.members, str) else 0
        return Step(
            seconds=self.seconds,
            weight=self.weight or 0,
            members=count,
            percent=share,
            pause=self.pause,
        )


Steps = Annotated[tuple[StepSettings, ...], LIST, Field(max_length=MOST_STEPS)]
Pairs = Annotated[tuple[PairSettings, ...], LIST, Field(max_length=MOST_PAIRS)]


def rules_of(pairs: Iterable[PairSettings]) -> Iterator[str]:
    """Yield the ARNs of the listeners and rules whose weights a deployment sets."""
    for each in pairs:
        yield from (arn for arn in (each.listener, each.listener_rule, each.test_listener) if arn)


def key_of(name: str, field: Any) -> str:
    """Return the name of a field in pipeline.toml."""
    return str(field.alias or name)
