"""Ask the policies: programs of the user that read the plan before a deployment is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.application import Application
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.hooks.hook import NOT_STARTED
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.state.deployment import Deployment, Kind

if TYPE_CHECKING:
    from pipeline.core.deploy.plan import PlanPreview

_DECIDED = frozenset({Kind.PROMOTE, Kind.REBUILD, Kind.ROLLBACK})
"""The deployments that move traffic; a drill moves none."""


def policies_of(app: Application, deployment: Deployment) -> tuple[PolicyProgram, ...]:
    """Return the policies that must allow a deployment."""
    if deployment.kind not in _DECIDED:
        return ()
    is_rollback, name = deployment.kind is Kind.ROLLBACK, deployment.environment
    programs = (each.program for each in app.settings.policy)
    return tuple(each for each in programs if each.decides(name, is_rollback=is_rollback))


def require_allowed(app: Application, preview: PlanPreview, plan: str) -> None:
    """Run the policies with the plan as their input; raises RefusedError for the first refusal.

    `plan` is the document of `--plan --output json`. Raises KeyboardInterrupt for a signal.
    """
    from pipeline.adapters.ci.command_hooks import CommandHooks

    deployment = preview.deployment
    programs = CommandHooks(
        environ=app.environ,
        folder=app.settings.root,
        log=app.logs / f"policies-{app.settings.app}-{deployment.environment}.log",
        interrupts=app.interrupts,
        masker=app.masker(deployment.environment),
    )
    for policy in preview.policies:
        app.report(Message(text=str(policy)))
        result = programs.decide(policy, _facts(app, deployment), plan.encode())
        if result.failure:
            remedy = f"fix the cause above, then: {_again(deployment)}"
            if result.code == NOT_STARTED:
                remedy = f"fix [[policy]] in pipeline.toml, then: {commands.config_check()}"
            raise RefusedError(str(policy), f"does not allow it: {result.failure}", remedy)


def _facts(app: Application, deployment: Deployment) -> dict[str, str]:
    facts = {
        "APP": app.settings.app,
        "ENVIRONMENT": deployment.environment,
        "REGION": app.settings.region,
        "DEPLOYMENT": deployment.id,
        "KIND": str(deployment.kind),
        "RELEASE": deployment.green,
        "PREVIOUS_RELEASE": deployment.blue,
        "IMAGE": deployment.image,
        "VERSION": deployment.version,
    }
    return {f"AMI_PIPELINE_{name}": value for name, value in facts.items()}


def _again(deployment: Deployment) -> str:
    name = deployment.environment
    match deployment.kind:
        case Kind.PROMOTE:
            return commands.promote(name, deployment.image)
        case Kind.ROLLBACK:
            return commands.rollback(name, to=deployment.green if deployment.warm else "")
        case _:
            return commands.rebuild(name)
