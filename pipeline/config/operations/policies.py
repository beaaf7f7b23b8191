"""Define the keys of [[policy]]."""

from typing import Annotated, Final

from pydantic import Field

from pipeline.config.basis import LIST, Duration, Table
from pipeline.config.operations.freezes import Environments
from pipeline.config.promote.hooks import Command
from pipeline.core.hooks.policy import PolicyProgram

MOST_POLICIES: Final = 20


class PolicySettings(Table):
    """A program that reads the plan of a deployment and must exit with 0 to allow it."""

    command: Command = Field(
        description="The program and its arguments, as a list; it reads the plan as JSON.",
        examples=[["./policies/approved.py"]],
    )
    timeout: Duration = Field(
        default=60.0,
        json_schema_extra={"default": "1m"},
        description="The time limit of the program; a program that is late refuses.",
    )
    environments: Environments = Field(
        default=(), description="The environments whose deployments it decides; default: all."
    )
    rollback: bool = Field(default=False, description="Whether it also decides about rollbacks.")

    @property
    def program(self) -> PolicyProgram:
        """Return the program."""
        return PolicyProgram(
            command=self.command,
            timeout=self.timeout,
            environments=self.environments,
            rollback=self.rollback,
        )


Policies = Annotated[tuple[PolicySettings, ...], LIST, Field(max_length=MOST_POLICIES)]
