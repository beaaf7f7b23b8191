"""The cases of the proof: a policy without one action, and the commands that must name it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pipeline.core.permissions.scope import Role
from pipeline.core.permissions.table import TABLE, Caller, Proof
from tests.policies.world import ADOPTED, ENVIRONMENT, Policy

PLAN = ("promote", "-e", ENVIRONMENT, "--plan")
PROMOTE = ("promote", "-e", ENVIRONMENT, "--yes", "--allow-quarantined")
STATUS = ("status", "-e", ENVIRONMENT)
SHOW = ("state", "show", "-e", ENVIRONMENT)
EVENTS, LOGS = ("events", "-e", ENVIRONMENT), ("logs", "-e", ENVIRONMENT)
IMAGES, DOCTOR = ("images",), ("doctor", "-e", ENVIRONMENT)
ADOPT = ("adopt", "-e", ENVIRONMENT, "--group", ADOPTED, "--plan")
PRUNE = ("prune", "--plan")
BAKE = ("bake", "--version", "9.0.0", "--force")


NOT_REACHED = {
    # Only in the evidence of a failed deployment, which says what could not be read.
    "ec2:GetConsoleOutput",
    "ssm:DescribeInstanceInformation",
    # Only the AWS CLI, in a session.
    "ssm:StartSession",
    "ssm:ResumeSession",
    "ssm:TerminateSession",
    # Only if no default action of a listener forwards to the target group.
    "elasticloadbalancing:DescribeRules",
    # Only after a build of a newer Amazon plugin, which puts the instance's tags on the image.
    "ec2:DeleteTags",
    # Only in the cleanup of a bake that failed, or of one that was killed.
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "ec2:DescribeKeyPairs",
}
"""Actions that the commands of the cases do not need with this configuration."""
ONLY_WITH_A_REMOVAL = {
    "ec2:DescribeImageAttribute",
    "ec2:DescribeSnapshotAttribute",
    "s3:DeleteObject",
}
"""Actions that a prune needs only if there is something to remove."""


class Expected(Enum):
    """What a missing permission may do.

    `REFUSED`: nothing changes and the exit code is not 0. `NOTICE`: the command continues and names
    it. `LATE`: the change itself fails, and is undone or named.
    """

    REFUSED = auto()
    NOTICE = auto()
    LATE = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A policy of a role without one action of one statement."""

    role: Role
    sid: str
    action: str
    commands: tuple[tuple[str, ...], ...]
    expected: Expected

    @property
    def name(self) -> str:
        return f"{self.role} {self.sid} {self.action}"

    def without(self, policy: Policy) -> Policy:
        """Return the policy without the action, on the resources of its statement.

        A statement without actions is left out. The store and Terraform's state may share a bucket.
        """
        found = copy.deepcopy(policy)
        (mine,) = (each for each in found["Statement"] if each["Sid"] == self.sid)
        for each in found["Statement"]:
            if each["Resource"] == mine["Resource"] and (
                each["Sid"] == self.sid or "Condition" not in each
            ):
                each["Action"] = [one for one in actions_of(each) if one != self.action]
        found["Statement"] = [each for each in found["Statement"] if each["Action"]]
        return found


def actions_of(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement."""
    given = statement["Action"]
    return [given] if isinstance(given, str) else list(given)


def cases_of(role: Role, policy: Policy) -> Iterator[Case]:
    """Yield a case for each action of each statement of a role's policy."""
    for statement in policy["Statement"]:
        for action in actions_of(statement):
            only = is_only_of_newer_packer(role, statement["Sid"], action)
            spared = role is Role.PRUNE and action in ONLY_WITH_A_REMOVAL
            if action not in NOT_REACHED and not (only or spared):
                yield case_of(role, statement["Sid"], action)


def is_only_of_newer_packer(role: Role, sid: str, action: str) -> bool:
    """Return True if the Packer of this machine does not make the call."""
    callers = {
        row.by for row in TABLE if role in row.roles and row.sid == sid and action in row.actions
    }
    return callers == {Caller.NEWER_PACKER}


def case_of(role: Role, sid: str, action: str) -> Case:
    """Return the case of one action, with the commands that the table leads to expect."""
    rows = [row for row in TABLE if role in row.roles and row.sid == sid and action in row.actions]
    proofs = {row.proof for row in rows}
    commands, expected = _expected(role, proofs)
    return Case(role=role, sid=sid, action=action, commands=commands, expected=expected)


def _expected(role: Role, proofs: set[Proof]) -> tuple[tuple[tuple[str, ...], ...], Expected]:
    reads = (IMAGES, STATUS, SHOW, DOCTOR)
    match role:
        case Role.READ | Role.INSPECT:
            looks = (EVENTS, LOGS)
            notice = Expected.NOTICE if proofs == {Proof.OPTIONAL} else Expected.REFUSED
            return (*reads, *looks) if role is Role.READ else looks, notice
        case Role.BAKE:
            late = Expected.LATE if Proof.CHANGE in proofs else Expected.REFUSED
            optional = proofs == {Proof.OPTIONAL}
            return (IMAGES, ("doctor",), BAKE), Expected.NOTICE if optional else late
        case Role.PRUNE:
            return (PRUNE,), Expected.REFUSED
        case Role.DEPLOY:
            return _expected_of_deploy(proofs, reads)
    raise AssertionError(role)


def _expected_of_deploy(
    proofs: set[Proof], reads: tuple[tuple[str, ...], ...]
) -> tuple[tuple[tuple[str, ...], ...], Expected]:
    if proofs & {Proof.GROUP, Proof.DRY_RUN, Proof.BLUE}:
        return (PROMOTE,), Expected.REFUSED
    if proofs == {Proof.OPTIONAL}:
        return (DOCTOR, PLAN), Expected.NOTICE
    if Proof.CHANGE in proofs:
        return (PROMOTE,), Expected.LATE
    return (*reads, ADOPT, PROMOTE), Expected.REFUSED
