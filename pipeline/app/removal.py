"""Delete groups that do not serve, as a deployment of its own."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.app.leased import LeasedEnvironment
from pipeline.core.deploy.recovery import removal_of, removal_result
from pipeline.core.state.deployment import Deployment, Kind


def retire_overdue(leased: LeasedEnvironment) -> Deployment | None:
    """Delete the groups that were kept warm for longer than configured; None without any."""
    document = leased.document()
    overdue = document.overdue(leased.reader.pace.today())
    if not overdue:
        return None
    return delete_groups(leased, Kind.RETIRE, green=document.serving, gone=overdue)


def delete_groups(
    leased: LeasedEnvironment, kind: Kind, *, green: str, gone: Sequence[str]
) -> Deployment:
    """Delete the groups of the releases `gone`; return the deployment as it ended."""
    document = leased.document()
    deployment = leased.new_deployment(kind, green=green, blue=document.serving)
    reconciler = leased.reconciler(deployment)
    leased.begin(reconciler, deployment)
    return leased.run(reconciler, deployment, removal_of(document, gone), removal_result(kind))
