"""An environment under the lease of this run: begin deployments there, run them, close them.

A removal of groups is a deployment of its own. After a rollback, the replaced image is quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.adapters.store.records.deployments import new_deployment_id
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.reconciler import build_reconciler, build_resources
from pipeline.app.environment.recording import recorded
from pipeline.app.environment.signals import signals_of
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import Ledger
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import removal_of, removal_result
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Policy, Result
from pipeline.core.state.environment import Environment, ReleaseRecord

if TYPE_CHECKING:
    from pipeline.adapters.terraform.server_groups import TerraformResources


@dataclass(frozen=True, kw_only=True)
class LeasedEnvironment:
    """An environment that this run holds the lease on.

    `finished` is the interrupted deployment that was finished as soon as the lease was held.
    """

    reader: EnvironmentReader
    held: HeldLease
    finished: Deployment | None = None

    def document(self) -> Environment:
        """Return the environment's document as this run last read or wrote it."""
        return self.held.read()

    def new_deployment(self, kind: Kind, *, green: str, blue: str, why: str = "") -> Deployment:
        """Return a deployment that begins now, run by this process, for the reason `why`."""
        today = self.reader.pace.today()
        return Deployment(
            id=new_deployment_id(today),
            kind=kind,
            environment=self.reader.environment,
            green=green,
            blue=blue,
            began=today,
            by=runner(self.reader.app.environ),
            adopted=self.document().adopted_group(blue),
            target_groups=self._idle_of(blue) if green != blue else (),
            worker=self.reader.is_worker,
            actor=self.reader.actor,
            why=self.reader.app.masker(self.reader.environment).text(why) if why else "",
        )

    def _idle_of(self, blue: str) -> tuple[str, ...]:
        """Return the target groups of the pairs that the serving release does not use."""
        record = self.document().releases.get(blue)
        recorded = record.target_groups if record else ()
        return tuple(each.other(each.target_of(recorded)).identifier for each in self.reader.pairs)

    def ledger(self, deployment: Deployment) -> StoreLedger:
        """Return the ledger of a deployment: every write of the deployment goes through it."""
        return StoreLedger(self.reader.store, self.held, deployment.id, self.reader.pace.today)

    def reconciler(self, deployment: Deployment, policy: Policy | None = None) -> Reconciler:
        """Return what a deployment changes the environment with."""
        policy = (policy or self.reader.policy).without_alarms(deployment.muted)
        ledger, leaving = self.ledger(deployment), {deployment.blue: deployment.detach}
        sides = {deployment.green: deployment.target_groups} if deployment.target_groups else {}
        return build_reconciler(self.reader, ledger, self.held.succeeds, policy, leaving, sides)

    def resources(self) -> tuple[TerraformResources, Callable[[], None]]:
        """Return Terraform for a change that is no deployment, and what confirms the lease."""
        reader = self.reader
        today = reader.pace.today
        ledger = StoreLedger(reader.store, self.held, new_deployment_id(today()), today)
        return build_resources(reader, ledger, self.held.succeeds), ledger.fence

    def begin(
        self, reconciler: Reconciler, deployment: Deployment, green: ReleaseRecord | None = None
    ) -> None:
        """Write that a deployment begins, in the document and in the history."""
        prepared = reconciler.prepared
        program = prepared.program if prepared else ""
        reconciler.ledger.update(lambda document: document.started(deployment, green, program))
        reconciler.ledger.record(deployment)

    def run(
        self,
        reconciler: Reconciler,
        deployment: Deployment,
        phases: Sequence[Phase],
        success: Result = Result.PROMOTED,
        *,
        undone: str = "",
        check: Phase | None = None,
    ) -> Deployment:
        """Run the phases of a deployment; return it as it ended or paused."""
        if self.document().unremoved:
            # The run that left them did not wait until every read shows its changes.
            reconciler.observer.inherit()
        deployer = Deployer(
            reconciler=reconciler,
            deployment=deployment,
            report=self.reader.app.report,
            signals=tuple(
                signals_of(self.reader, reconciler.policy, reconciler.ledger, deployment)
            ),
            read_delays=partial(
                self.reader.read_delays, deployment.detach, (deployment.blue, deployment.green)
            ),
            closing=quarantine_replaced(self.reader, reconciler.ledger, deployment),
        )
        with recorded(self.reader, deployment):
            return deployer.run(phases, success, undone=undone, check=check)


def retire_overdue(leased: LeasedEnvironment, *, keep: str = "") -> Deployment | None:
    """Delete the groups whose removal is pending or whose warm time is over; None without any.

    The release `keep` stays, and all do if the serving group was deleted outside ami-pipeline: one
    of them may be the way out.
    """
    document, reader = leased.document(), leased.reader
    overdue = [each for each in document.overdue(reader.pace.today()) if each != keep]
    if not overdue or not document.serving:
        return None
    pending = ", ".join(each for each in document.unremoved if each != keep)
    if pending and not reader.serving_group_exists(document):
        lost = f"the group of {document.serving}, which serves, does not exist"
        reader.app.report(Message(text=f"{lost}: {pending} stays"))
        return None
    if pending:
        reader.app.report(Message(text=f"the removal of {pending} is pending: removing it first"))
    return delete_groups(leased, Kind.RETIRE, green=document.serving, gone=overdue)


def delete_groups(
    leased: LeasedEnvironment, kind: Kind, *, green: str, gone: Sequence[str], why: str = ""
) -> Deployment:
    """Delete the groups of the releases `gone`; return the deployment as it ended.

    Raises RefusedError, before anything is changed, if one of them receives traffic.
    """
    document = leased.document()
    deployment = leased.new_deployment(kind, green=green, blue=document.serving, why=why)
    reconciler = leased.reconciler(deployment)
    with leased.reader.app.interrupts.heard():
        reconciler.deletion.require_detached(frozenset(gone), idle=_idle(reconciler, document))
    leased.begin(reconciler, deployment)
    phases = removal_of(document, gone, reconciler.manner)
    return leased.run(reconciler, deployment, phases, removal_result(kind))


def _idle(reconciler: Reconciler, document: Environment) -> frozenset[str]:
    """Return the traffic sources in which a group may wait for its removal: those of pairs."""
    both = (each for pair in reconciler.place.pairs for each in pair.targets)
    return frozenset(each.identifier for each in both if document.unremoved)


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
        # An adopted group's image is not the pipeline's.
        has_image = deployment.blue and deployment.blue not in before.adopted
        ami_id = _image_of(before, deployment.blue) if has_image else ""
        # Releases of one image differ in their inputs, which prove nothing about the image.
        if succeeded and ami_id and ami_id != deployment.image:
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
    from pipeline.app.baked_images import quarantine

    ledger.update(lambda document: document.with_quarantined(ami_id))
    reason = f"{release} was rolled back from in {reader.environment}"
    try:
        quarantine(reader.app, reader.clients, ami_id, reason)
    except PipelineError as error:
        text = f"could not quarantine {ami_id}: {error.where}: {error.what}; {error.remedy}"
        reader.app.report(Message(text=text))
