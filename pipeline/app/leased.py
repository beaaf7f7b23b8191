"""An environment under the lease of this run: begin deployments there, and run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.adapters.store.deployments import new_deployment_id
from pipeline.app.environment import EnvironmentReader
from pipeline.app.quarantine import quarantine_replaced
from pipeline.app.reconciler import build_reconciler
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.phases import Phase
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.state.deployment import Deployment, Kind, Policy, Result
from pipeline.core.state.environment import Environment, ReleaseRecord


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

    def new_deployment(self, kind: Kind, *, green: str, blue: str) -> Deployment:
        """Return a deployment that begins now, run by this process."""
        today = self.reader.pace.today()
        return Deployment(
            id=new_deployment_id(today),
            kind=kind,
            environment=self.reader.environment,
            green=green,
            blue=blue,
            began=today,
            by=runner(self.reader.app.environ),
        )

    def ledger(self, deployment: Deployment) -> StoreLedger:
        """Return the ledger of a deployment: every write of the deployment goes through it."""
        return StoreLedger(self.reader.store, self.held, deployment.id, self.reader.pace.today)

    def reconciler(self, deployment: Deployment, policy: Policy | None = None) -> Reconciler:
        """Return what a deployment changes the environment with."""
        return build_reconciler(self.reader, self.ledger(deployment), self.held.succeeds, policy)

    def begin(
        self, reconciler: Reconciler, deployment: Deployment, green: ReleaseRecord | None = None
    ) -> None:
        """Write that a deployment begins, in the document and in the history."""
        reconciler.ledger.update(lambda document: document.started(deployment, green))
        reconciler.ledger.record(deployment)

    def run(
        self,
        reconciler: Reconciler,
        deployment: Deployment,
        phases: Sequence[Phase],
        success: Result = Result.PROMOTED,
        *,
        undone: str = "",
        drain: float = 0.0,
    ) -> Deployment:
        """Run the phases of a deployment; return it as it ended.

        `drain` is the longest deregistration delay of the load balancers, 0 if unknown.
        """
        deployer = Deployer(
            reconciler=reconciler,
            alarms=self.reader.alarms,
            deployment=deployment,
            report=self.reader.app.report,
            drain=drain,
            closing=quarantine_replaced(self.reader, reconciler.ledger, deployment),
        )
        return deployer.run(phases, success, undone=undone)
