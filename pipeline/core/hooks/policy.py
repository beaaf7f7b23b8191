"""Define a policy: a program of the user that reads the plan and may refuse the deployment."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import join


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyProgram:
    """A program that must exit with 0 before a deployment is confirmed; `timeout` in seconds.

    Without `environments`, it decides about all of them. It decides about rollbacks only with
    `rollback`.
    """

    command: tuple[str, ...]
    timeout: float
    environments: tuple[str, ...] = ()
    rollback: bool = False

    def decides(self, environment: str, *, is_rollback: bool) -> bool:
        """Return True if the program must allow a deployment to this environment."""
        return (not self.environments or environment in self.environments) and (
            self.rollback or not is_rollback
        )

    def __str__(self) -> str:
        """Return the policy as messages name it, such as `policy ./approved.py --strict`."""
        return f"policy {join(self.command)}"
