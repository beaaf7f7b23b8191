"""The ground a deployment stands on: one environment with every adapter wired to it.

What is slow to make is made when it is first asked for: a rollback's first call to AWS must not
wait for a library that only a promotion needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pipeline.adapters.aws import Clients
from pipeline.adapters.deployments import Deployments
from pipeline.adapters.environments import Environments
from pipeline.adapters.lease import Held, Leases
from pipeline.adapters.ledger import StoreLedger
from pipeline.adapters.pace import CloudPace, speed_of
from pipeline.adapters.runner import runner
from pipeline.adapters.store import Store
from pipeline.app.application import Application
from pipeline.core.deployment import Deployment, Place, Policy
from pipeline.core.environment import Environment
from pipeline.core.errors import ConfigurationError
from pipeline.core.seen import Balancer
from pipeline.core.world import World


@dataclass(kw_only=True)
class Ground:
    """One environment of an application; `account` is known once somebody asked AWS."""

    app: Application
    environment: str
    account: str = ""

    @cached_property
    def clients(self) -> Clients:
        """The clients of this run."""
        return Clients()

    @cached_property
    def store(self) -> Store:
        """Where state is kept."""
        return self.app.store(self.clients)

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

    def document(self) -> Environment:
        """Return the environment's document as it stands."""
        return self.documents.load(self._whose).environment

    def require_free(self) -> None:
        """Raise LeaseHeldError where another run holds the lease; nothing is asked of AWS."""
        self._leases.require_free(self._whose)

    def lease(self, command: str) -> Held:
        """Take the lease; raises LeaseHeldError where another run holds it."""
        return self._leases.take(self._whose, f"ami-pipeline {command} -e {self.environment}")

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
    def _leases(self) -> Leases:
        return Leases(
            environments=self.documents,
            owner=runner(self.app.environ),
            report=self.app.report,
        )

    @cached_property
    def balancers(self) -> tuple[Balancer, ...]:
        """The load balancers of the environment; raises RefusedError where one does not exist."""
        from pipeline.adapters.balancers import resolve

        settings = self.app.settings.environment(self.environment)
        if not settings.load_balancers and not settings.target_groups:
            name = f"[environments.{self.environment}]"
            what = "names neither load_balancers nor target_groups: nothing would send it traffic"
            now = f'add load_balancers = ["..."] or target_groups = ["..."] to {name}'
            raise ConfigurationError(name, what, now)
        region = self.app.settings.region
        return resolve(self.clients, region, settings.load_balancers, settings.target_groups)

    @property
    def place(self) -> Place:
        """The environment with the names that AWS knows."""
        return Place(
            app=self.app.settings.app,
            environment=self.environment,
            region=self.app.settings.region,
            account=self.account,
            balancers=self.balancers,
        )

    def world(self, ledger: StoreLedger) -> World:
        """Return what a deployer changes."""
        from pipeline.adapters.alarms import CloudWatchAlarms
        from pipeline.adapters.groups import Groups
        from pipeline.adapters.hooks import CommandHooks
        from pipeline.adapters.resources import TerraformResources

        app, region = self.app, self.app.settings.region
        hooks = CommandHooks(
            environ=app.environ,
            folder=app.settings.root,
            log=app.logs / f"verify-{app.settings.app}-{self.environment}.log",
            report=app.report,
            interrupts=app.interrupts,
        )
        resources = TerraformResources(
            terraform=app.terraform(self.environment),
            root=app.root(self.environment),
            clients=self.clients,
        )
        return World(
            place=self.place,
            policy=self.policy,
            groups=Groups(self.clients, region, clock=self.pace.now),
            resources=resources,
            hooks=hooks,
            alarms=CloudWatchAlarms(self.clients, region),
            ledger=ledger,
            pace=self.pace,
        )

    def ledger(self, held: Held, deployment: Deployment) -> StoreLedger:
        """Return the ledger of a deployment under the lease we hold."""
        return StoreLedger(self.store, held, deployment.id, self.pace.today)
