"""Describe a deployment before it begins: what a command requested and what it would do.

These values are apart from the commands because all of them, and the interface, use them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.core import commands
from pipeline.core.deploy.phase import Phase
from pipeline.core.errors import ConfigurationError
from pipeline.core.freezing.freeze import NOT_FROZEN, FreezeState
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.image import Image
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.state.strategy import STEP
from pipeline.core.terraform.plan_guard import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class PromoteRequest:
    """What the command line requests of a promotion; empty means not given.

    `origin` is the environment whose serving image to take. With `plan_only`, the plan is shown
    and nothing is changed. With `redeploy`, a release is made even if nothing differs. With
    `recovers`, an interrupted deployment is finished first; without, it makes the promotion fail.
    `detach` are the names of load balancers that the serving group is to leave for good.
    `change_program` allows another program than the one that wrote Terraform's state.
    `pause_before` are phases to pause before, besides the configured ones. `wait` are the seconds
    to wait at most for another run to release the lease, None not to wait. `why` is the reason to
    record. With `override_freeze`, it begins in a freeze, too. `only_if` is what a rebuilt image
    must bring: `packages`, or anything. With `removes_later`, it ends before the old groups are
    deleted.
    """

    environment: str
    image: str = ""
    origin: str = ""
    allow_quarantined: bool = False
    allow_unhealthy: bool = False
    keep_failed: bool = False
    change_program: bool = False
    redeploy: bool = False
    detach: tuple[str, ...] = ()
    plan_only: bool = False
    recovers: bool = True
    pause_before: tuple[str, ...] = ()
    wait: float | None = None
    why: str = ""
    only_if: str = ""
    override_freeze: bool = False
    removes_later: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackRequest:
    """What the command line requests of a rollback; the rest is as in PromoteRequest.

    `to` is a release, an AMI, or empty for the newest good release that served. With `wait`, it
    also waits until the group that it replaces is deleted.
    """

    environment: str
    to: str = ""
    allow_quarantined: bool = False
    detach: tuple[str, ...] = ()
    plan_only: bool = False
    recovers: bool = True
    why: str = ""
    wait: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Unchanged:
    """The result of a command that had nothing to do: the requested image serves already.

    `note` says what AWS shows if not every member is healthy, or there is none. `why` says why
    another image does not replace the serving one, empty if there is no other.
    """

    environment: str
    release: str
    image: Image
    note: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanPreview:
    """A deployment that is about to begin, as a person sees it before confirming it.

    `plan` is Terraform's; None if the deployment runs no Terraform before it moves traffic.
    `quick` says why a rollback does not soak and observe, empty if it does. `frozen` are the
    freezes of the environment, which stop no rollback. `policies` are the programs that must allow
    it.
    """

    deployment: Deployment
    phases: Sequence[Phase]
    policy: Policy
    findings: Sequence[Finding] = ()
    plan: Plan | None = None
    quick: str = ""
    frozen: FreezeState = NOT_FROZEN
    policies: tuple[PolicyProgram, ...] = ()


Confirm = Callable[[PlanPreview], bool]
"""Return True if the deployment of this preview is to begin."""


def pauses_of(phases: Sequence[Phase], policy: Policy, request: PromoteRequest) -> tuple[str, ...]:
    """Return the phases to pause before: the configured and the requested, and those after steps.

    A configured phase that this deployment lacks pauses nothing. Raises ConfigurationError for a
    requested one.
    """
    names, requested = [phase.name for phase in phases], request.pause_before
    if absent := [each for each in requested if each not in names]:
        what = f"this deployment has no phase {absent[0]}: its phases are {', '.join(names)}"
        again = commands.promote(request.environment, pause_before=names[-2:-1])
        raise ConfigurationError("--pause-before", what, f"name one of them, such as: {again}")
    ends = {f"{STEP}{number}" for number, each in enumerate(policy.steps, 1) if each.pause}
    later = {after for name, after in pairwise(names) if name in ends}
    wanted = {*policy.pauses.before, *requested, *later}
    return tuple(name for name in names if name in wanted)
