"""The ground a deployment stands on: one environment with every adapter wired to it.

What is slow to make is made when it is first asked for: a rollback's first call to AWS must not
wait for a library that only a promotion needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, account_of
from pipeline.adapters.clock import CloudPace, speed_of
from pipeline.adapters.identity import has_exited_with_children, runner
from pipeline.adapters.lease.lease import Clock, HeldLease, LeaseManager
from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.deployments import Deployments
from pipeline.adapters.store.environments import Environments
from pipeline.app.application import Application
from pipeline.core.deploy.polling import QUICK
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.errors import ConfigurationError
from pipeline.core.health.assessment import GONE_LOOKS
from pipeline.core.health.observation import Balancer
from pipeline.core.state.deployment import Deployment, Place, Policy
from pipeline.core.state.document_versions import Copies, Restoration
from pipeline.core.state.environment import Environment, Lease
from pipeline.core.state.release import group_name

if TYPE_CHECKING:
    from pipeline.adapters.aws.alarms import CloudWatchAlarms
    from pipeline.adapters.aws.groups import Groups
    from pipeline.adapters.store.document_versions import Archive
    from pipeline.adapters.terraform.state_lock import StateLock


@dataclass(kw_only=True)
class EnvironmentSession:
    """One environment of an application; `account` is known once somebody asked AWS."""

    app: Application
    environment: str
    account: str = ""
    _dead: Lease | None = field(default=None, init=False)

    @cached_property
    def clients(self) -> Clients:
        """The clients of this run."""
        return Clients()

    @cached_property
    def store(self) -> Store:
        """Where state is kept."""
        return self.app.store(self.clients, self.environment)

    @cached_property
    def policy(self) -> Policy:
        """How this environment is deployed to."""
        return self.app.settings.promote_for(self.environment).policy

    @cached_property
    def pace(self) -> CloudPace:
        """The clock of the cloud."""
        return CloudPace(self.app.interrupts, speed_of(self.app.environ))

    @cached_property
    def documents(self) -> Environments:
        """The documents of the store."""
        return Environments(self.store)

    @cached_property
    def deployments(self) -> Deployments:
        """What was deployed before."""
        return Deployments(self.store)

    def identify(self) -> None:
        """Ask AWS whose account it is: the document of another one is refused from here on.

        Raises RefusedError without credentials.
        """
        self.account = account_of(self.clients, self.app.settings.region)

    def document(self) -> Environment:
        """Return the environment's document as it stands."""
        return self.documents.load(self._whose).environment

    def require_free(self) -> None:
        """Raise LeaseHeldError where another run holds the lease; nothing is asked of AWS."""
        self._leases.require_free(self._whose)

    def lease(self, command: str) -> HeldLease:
        """Take the lease; raises LeaseHeldError where another run holds it."""
        held = self._leases.take(self._whose, f"ami-pipeline {command} -e {self.environment}")
        dead = held.succeeds
        self._dead = dead
        return held

    def now(self) -> datetime:
        """Return the time by the clock that leases go by."""
        return self.store.now()

    def standing(self) -> tuple[Environment, str]:
        """Return the document, and why its lease binds nobody; empty while it does, or is none."""
        return self._leases.standing(self._whose)

    @property
    def archive(self) -> Archive:
        """The copies of the documents of the store."""
        from pipeline.adapters.store.document_versions import Archive

        return Archive(environments=self.documents)

    def copies(self) -> Copies:
        """Return what stands and what stood, damaged or not."""
        return self.archive.copies(self._whose)

    def restoration(self, number: int | None) -> Restoration:
        """Return what putting back a copy comes to, where no run holds the environment.

        Raises LeaseHeldError where one does, by the newest copy that can be read.
        """
        found = self.archive.restoration(self._whose, number)
        every = (found.copies.current, *found.copies.earlier)
        newest = next((each.environment for each in every if each and each.environment), None)
        if newest:
            self._leases.require_over(newest)
        return found

    def break_lease(self, epoch: int) -> Environment:
        """End another run's lease; raises RefusedError where it is not the one of this epoch."""
        return self._leases.break_(self._whose, epoch)

    def stands(self, document: Environment) -> bool:
        """Tell whether the group that serves by the document is there, and nobody deletes it.

        One look may be stale, so what is not there is looked for a second time.
        """
        name = group_name(document.app, document.environment, document.serving)
        for _ in range(GONE_LOOKS):
            seen = self.groups.observe([name], (), activities=()).groups.get(name)
            if seen:
                return not seen.status
            self.pace.sleep(QUICK)
        return False

    @property
    def _whose(self) -> Environment:
        """The document of nothing yet, by which the store finds the one that is there."""
        settings = self.app.settings
        return Environment(
            app=settings.app,
            environment=self.environment,
            account=self.account or settings.environment(self.environment).account or "",
            region=settings.region,
        )

    @property
    def _leases(self) -> LeaseManager:
        return LeaseManager(
            environments=self.documents,
            owner=runner(self.app.environ),
            report=self.app.report,
            clock=Clock(now=self.store.now),
        )

    def require_balancers(self) -> None:
        """Raise ConfigurationError where the environment names none, or is none; asks nobody."""
        settings = self.app.settings.environment(self.environment)
        if not settings.load_balancers and not settings.target_groups:
            name = f"[environments.{self.environment}]"
            what = "names neither load_balancers nor target_groups: nothing would send it traffic"
            remedy = f'add load_balancers = ["..."] or target_groups = ["..."] to {name}'
            raise ConfigurationError(name, what, remedy)

    @cached_property
    def sought(self) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...]]:
        """The load balancers of the environment that exist, and those that do not."""
        from pipeline.adapters.aws.balancers import find

        self.require_balancers()
        settings, region = (
            self.app.settings.environment(self.environment),
            self.app.settings.region,
        )
        return find(self.clients, region, settings.load_balancers, settings.target_groups)

    @property
    def balancers(self) -> tuple[Balancer, ...]:
        """The load balancers of the environment; raises RefusedError where one does not exist."""
        from pipeline.adapters.aws.balancers import missing

        found, absent = self.sought
        if absent:
            raise missing(self.app.settings.region, absent)
        return found

    def place(self, balancers: tuple[Balancer, ...]) -> Place:
        """Return the environment with the names that AWS knows."""
        return Place(
            app=self.app.settings.app,
            environment=self.environment,
            region=self.app.settings.region,
            account=self.account,
            balancers=balancers,
        )

    @cached_property
    def groups(self) -> Groups:
        """The groups of the region."""
        from pipeline.adapters.aws.groups import Groups

        region, masker = self.app.settings.region, self.app.masker(self.environment)
        return Groups(self.clients, region, clock=self.pace.now, masker=masker)

    @cached_property
    def alarms(self) -> CloudWatchAlarms:
        """The alarms of the region."""
        from pipeline.adapters.aws.alarms import CloudWatchAlarms

        return CloudWatchAlarms(self.clients, self.app.settings.region)

    def world(self, ledger: StoreLedger) -> Reconciler:
        """Return what a deployer changes."""
        from pipeline.adapters.ci.verify_hooks import CommandHooks
        from pipeline.adapters.lease.fencing import FencedGroups, FencedHooks, FencedResources
        from pipeline.adapters.terraform.server_groups import TerraformResources

        app = self.app
        hooks = CommandHooks(
            environ=app.environ,
            folder=app.settings.root,
            log=app.logs / f"verify-{app.settings.app}-{self.environment}.log",
            report=app.report,
            interrupts=app.interrupts,
            masker=app.masker(self.environment),
        )
        resources = TerraformResources(
            terraform=app.terraform(self.environment),
            root=app.root(self.environment),
            clients=self.clients,
            lock=self._lock(ledger),
            settle=self._settle(),
        )
        return Reconciler(
            place=self.place(self.balancers),
            policy=self.policy,
            groups=FencedGroups(groups=self.groups, fence=ledger.fence),
            resources=FencedResources(resources=resources, fence=ledger.fence),
            hooks=FencedHooks(hooks=hooks, fence=ledger.fence),
            alarms=self.alarms,
            ledger=ledger,
            pace=self.pace,
        )

    def _settle(self) -> Callable[[], None]:
        """Return what waits for the Terraform of the run that died before us, on this machine.

        Not where that run's lease was broken: it may live, and so may its Terraform.
        """
        from pipeline.adapters.process.survivors import await_end

        dead = self._dead
        if dead is None or dead.broken:
            return lambda: None
        terraform = self.app.terraform(self.environment)
        report, wait = self.app.report, self.app.interrupts.sleep

        @cache  # once: what runs after that is ours
        def settle() -> None:
            await_end(terraform.log, terraform.grace + 5, wait=wait, report=report)

        return settle

    def _lock(self, ledger: StoreLedger) -> StateLock | None:
        """Return what locks Terraform's state in S3 for a deployment; a file it locks itself."""
        from pipeline.adapters.terraform.state_lock import LockOwner, StateLock

        app, root, owner = self.app, self.app.root(self.environment), runner(self.app.environ)
        if root.bucket is None:
            return None
        document, dead = ledger.read(), self._dead
        lock_owner = LockOwner(
            environment=f"{app.settings.app}/{self.environment}",
            deployment=ledger.deployment,
            epoch=ledger.epoch,
            who=f"{owner.user}@{owner.host}",
            broken=document.broken,
        )
        return StateLock(
            s3=self.clients.s3(),
            bucket=root.bucket,
            account=app.bucket_owner(root.bucket.name, self.environment),
            owner=lock_owner,
            folder=root.folder,
            now=self.now,
            wait=app.interrupts.sleep,
            report=app.report,
            over=lambda: dead is not None and has_exited_with_children(dead, root.folder),
        )

    def ledger(self, held: HeldLease, deployment: Deployment) -> StoreLedger:
        """Return the ledger of a deployment under the lease we hold."""
        return StoreLedger(self.store, held, deployment.id, self.pace.today)
