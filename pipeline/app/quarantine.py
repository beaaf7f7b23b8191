"""Quarantine the image that a rollback replaced, so that no later command promotes it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.app.environment import EnvironmentReader
from pipeline.core.deploy.ports import Ledger
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import Environment


def quarantine_replaced(
    reader: EnvironmentReader, ledger: Ledger, deployment: Deployment
) -> Callable[[Outcome], None]:
    """Return what a deployer calls at the end: a rollback that succeeded quarantines blue's image.

    A rollback without blue quarantines nothing: its group was deleted outside ami-pipeline, which
    proves nothing about its image.
    """
    # Read now: after the deployment, the document may not know the replaced release any more.
    before = ledger.read()

    def close(outcome: Outcome) -> None:
        succeeded = deployment.kind is Kind.ROLLBACK and outcome.result is Result.PROMOTED
        ami_id = _image_of(before, deployment.blue) if deployment.blue else ""
        if succeeded and ami_id:
            _quarantine(reader, ledger, ami_id, deployment.blue)

    return close


def _image_of(document: Environment, release: str) -> str:
    kept = document.releases.get(release)
    past = (each.ami_id for each in document.retired if each.release == release)
    return kept.release.ami_id if kept else next(past, "")


def _quarantine(reader: EnvironmentReader, ledger: Ledger, ami_id: str, release: str) -> None:
    """Mark an image in the document, the records and AWS; only report an error of the last two.

    The service is restored by now, so such an error must not fail the rollback.
    """
    from pipeline.app.bake import quarantine

    ledger.update(lambda document: document.with_quarantined(ami_id))
    reason = f"{release} was rolled back from in {reader.environment}"
    try:
        quarantine(reader.app, reader.clients, ami_id, reason)
    except PipelineError as error:
        text = f"could not quarantine {ami_id}: {error.where}: {error.what}"
        reader.app.report(Message(text=text))
