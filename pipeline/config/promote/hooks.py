"""Define the keys of [[promote.hooks]]."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline.config.basis import LIST, Duration, Table
from pipeline.core.hooks.hook import DEFAULT_ON, Hook, On, Point, Runs
from pipeline.core.validation import deployment_values


def _has_program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0]:
        raise ValueError('is empty: write a list such as ["./smoke.sh", "--fast"]')
    return words


_Word = Annotated[str, AfterValidator(deployment_values.check_argument)]
Command = Annotated[
    tuple[_Word, ...],
    LIST,
    BeforeValidator(deployment_values.check_command),
    AfterValidator(_has_program),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
_Point = Annotated[
    str,
    AfterValidator(deployment_values.check_point),
    WithJsonSchema({"type": "string", "enum": [str(each) for each in Point]}),
]


class HookSettings(Table):
    """A program that runs at a point of each deployment and must exit with 0."""

    at: _Point = Field(
        description="When it runs: a point of the deployment.", examples=["before-traffic"]
    )
    command: Command = Field(
        description="The program and its arguments, as a list; no shell is involved.",
        examples=[["./smoke.sh", "--fast"]],
    )
    run: Literal["here", "instance"] = Field(
        default="here",
        description="Where it runs: beside ami-pipeline, or on each instance through SSM.",
    )
    on: Literal["green", "blue"] | None = Field(
        default=None,
        description="The release on whose instances it runs; the default depends on the point.",
    )
    once: bool = Field(
        default=False,
        description="Whether it runs only once for each image, such as a migration.",
    )
    timeout: Duration = Field(
        default=300.0,
        json_schema_extra={"default": "5m"},
        description="The time limit of the program.",
    )

    @property
    def hook(self) -> Hook:
        """Return the hook."""
        point = Point(self.at)
        return Hook(
            at=point,
            command=self.command,
            timeout=self.timeout,
            run=Runs(self.run),
            on=On(self.on) if self.on else DEFAULT_ON[point],
            once=self.once,
        )


HookList = Annotated[tuple[HookSettings, ...], LIST]
