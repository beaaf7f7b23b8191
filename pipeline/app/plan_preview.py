"""What is asked of a deployment and shown before it: values the verbs share.

Apart from the verbs, for a rollback must not wait for what only a promotion needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.core.deploy.phases import Phase
from pipeline.core.image import Image
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.terraform.plan_guard import Plan


@dataclass(frozen=True, kw_only=True)
class PromoteRequest:
    """What the command line asked of a promotion; `plan_only`: to show it and change nothing.

    `recovers`: what a run that died had begun is finished first, else it is a refusal.
    """

    environment: str
    image: str = ""
    origin: str = ""
    allow_quarantined: bool = False
    allow_unhealthy: bool = False
    keep_failed: bool = False
    plan_only: bool = False
    recovers: bool = True


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """The image serves already; nothing was touched."""

    environment: str
    release: str
    image: Image


@dataclass(frozen=True, kw_only=True)
class PlanPreview:
    """A promotion about to begin: what a person is shown before it does."""

    deployment: Deployment
    phases: tuple[Phase, ...]
    policy: Policy
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None


Confirm = Callable[[PlanPreview], bool]
