"""Read one environment: its document, its history, and what AWS reports about it.

Adapters that are slow to build are built on first use: a rollback's first call to AWS must not
wait for a library that only a promotion needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, account_of
from pipeline.adapters.clock import CloudPace, speed_of
from pipeline.adapters.identity import actor_of
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.deployments import Deployments
from pipeline.adapters.store.records.environments import Environments
from pipeline.app.application import Application
from pipeline.config.release_inputs import with_inputs
from pipeline.core import commands
from pipeline.core.changes.inputs import InputChange, Inputs, input_changes
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.freshness import read_until
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.health.pairs import Pair
from pipeline.core.health.place import Place
from pipeline.core.health.serving import condition_of
from pipeline.core.image import NO_ITEMS, STATUS_TAG, ImageStatus
from pipeline.core.pausing.pause import Actor
from pipeline.core.state.deployment import Delays, Policy
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed
from pipeline.core.state.rollback import ImageStates

if TYPE_CHECKING:
    from pipeline.adapters.aws.alarms import CloudWatchAlarms
    from pipeline.adapters.aws.balancing.balancers import Descriptions
    from pipeline.adapters.aws.groups import Groups
    from pipeline.adapters.aws.metrics import CloudWatchMetrics
    from pipeline.adapters.terraform.provider.shared import SharedProvider
    from pipeline.adapters.terraform.terraform import Terraform
    from pipeline.core.preflight.facts import BalancerFacts

RECENT = 5.0  # seconds for which an answer about load balancers is not requested again


@dataclass(kw_only=True)
class EnvironmentReader:
    """One environment of an application, read only; `account` is empty until `identify`.

    `change_program` allows another program than the one that wrote Terraform's state.
    """

    app: Application
    environment: str
    account: str = ""
    change_program: bool = False
    _terraforms: dict[str, Terraform] = field(default_factory=dict, init=False)
    _described: tuple[float, Descriptions] = field(default=(-inf, NO_ITEMS), init=False)
    _provider: SharedProvider | None = field(default=None, init=False)

    @cached_property
    def clients(self) -> Clients:
        """The AWS clients of this run."""
        return Clients(self.app.settings.region)

    @cached_property
    def store(self) -> Store:
        """The store that holds the state."""
        return self.app.store(self.clients, self.environment)

    @cached_property
    def policy(self) -> Policy:
        """How releases are deployed to this environment."""
        return self.app.settings.promote_for(self.environment).policy

    @cached_property
    def pace(self) -> CloudPace:
        """The clock of the cloud."""
        return CloudPace(self.app.interrupts, speed_of(self.app.environ))

    @cached_property
    def documents(self) -> Environments:
        """The environments' documents in the store."""
        return Environments(self.store)

    @cached_property
    def deployments(self) -> Deployments:
        """The records of earlier deployments."""
        return Deployments(self.store)

    @property
    def key(self) -> Environment:
        """The empty document that names this environment: the store finds the stored one by it."""
        settings = self.app.settings
        return Environment(
            app=settings.app,
            environment=self.environment,
            account=self.account or settings.environment(self.environment).account or "",
            region=settings.region,
        )

    def document(self) -> Environment:
        """Return the environment's document as it is in the store."""
        return self.documents.load(self.key).environment

    def identify(self) -> None:
        """Get the account from AWS; from then on, a document of another account is rejected.

        Raises RefusedError without credentials.
        """
        self.account = account_of(self.clients, self.app.settings.region)

    @property
    def actor(self) -> Actor:
        """The person of this run: the CI system's user, or whom AWS knows by the credentials."""
        region = self.app.settings.region
        return actor_of(self.app.environ, lambda: self.clients.caller(region)["Arn"])

    def now(self) -> datetime:
        """Return the time of the store's clock, which leases expire by."""
        return self.store.now()

    def require_known(self) -> None:
        """Raise ConfigurationError if the environment is unknown."""
        self.app.settings.environment(self.environment)

    @cached_property
    def found_balancers(self) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...]]:
        """The configured load balancers that exist, and those that do not."""
        from pipeline.adapters.aws.balancing.balancers import find_described

        settings = self.app.settings.environment(self.environment)
        given = (self.app.settings.region, settings.load_balancers, settings.target_groups)
        *found, described = find_described(self.clients, *given)
        self._described = (self.pace.clock(), described)
        return found[0], found[1]

    def describe_balancers(self, balancers: Sequence[Balancer]) -> tuple[BalancerFacts, ...]:
        """Return the settings of load balancers; what was just read of them is not read again."""
        from pipeline.adapters.aws.balancing.balancer_settings import describe

        known = self._described[1] if self.pace.clock() - self._described[0] < RECENT else {}
        return describe(self.clients, self.app.settings.region, balancers, known)

    @property
    def balancers(self) -> tuple[Balancer, ...]:
        """The configured load balancers; raises RefusedError if one does not exist."""
        from pipeline.adapters.aws.balancing.balancers import missing

        existing, absent = self.found_balancers
        if absent:
            raise missing(self.app.settings.region, absent)
        return existing

    def entries(self, document: Environment) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...]]:
        """Return the load balancers of the serving release that exist, and those that do not.

        Of a pair, its target group, or the one that has the traffic if no release is recorded.
        """
        existing, absent = self.found_balancers
        serving = document.releases.get(document.serving)
        recorded = serving.target_groups if serving else ()
        return (*existing, *(each.target_of(recorded) for each in self.pairs)), absent

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The configured pairs of target groups; raises RefusedError if a part does not exist."""
        settings = self.app.settings.environment(self.environment)
        if not settings.pairs:
            return ()
        from pipeline.adapters.aws.balancing.pairs import PairNames, find_pairs

        named = [
            PairNames(
                rule=each.listener_rule or each.listener or "",
                target_groups=(each.target_groups[0], each.target_groups[1]),
                test=each.test_listener or "",
            )
            for each in settings.pairs
        ]
        return find_pairs(self.clients, self.app.settings.region, named)

    def place(self, balancers: tuple[Balancer, ...], document: Environment | None = None) -> Place:
        """Return the environment with its load balancers by the names that AWS uses.

        `document` says which target groups of pairs its releases use.
        """
        releases = document.releases if document else {}
        return Place(
            app=self.app.settings.app,
            environment=self.environment,
            region=self.app.settings.region,
            account=self.account,
            balancers=balancers,
            pairs=self.pairs,
            sides={name: each.target_groups for name, each in releases.items()},
        )

    def terraform(self, document: Environment) -> Terraform:
        """Return Terraform, as the document of the environment names it.

        It is asked for its version once in a run.
        """
        recorded = document.program or self._program_of_locks(document)
        if recorded not in self._terraforms:
            self._terraforms[recorded] = self.app.terraform(
                self.environment, recorded=recorded, change=self.change_program
            )
        return self._terraforms[recorded]

    def provider(self, document: Environment) -> SharedProvider:
        """Return the AWS provider that all of this run's plans and applies share."""
        from pipeline.adapters.terraform.provider.shared import SharedProvider
        from pipeline.adapters.terraform.root_module import shipped_module

        if self._provider is None:
            terraform, root = self.terraform(document), self.app.root(self.environment)
            self._provider = SharedProvider(
                folder=root.folder,
                program=terraform.program,
                log=terraform.log,
                report=self.app.report,
                shipped=root.module == shipped_module(),
                enabled=self.app.settings.terraform.share_provider,
            )
            self.app.at_end.append(self._provider.close)
        return self._provider

    def start_provider(self, document: Environment) -> None:
        """Start the shared AWS provider in the background, for a plan that follows.

        Nothing is started before the root module is initialized as the store records it.
        """
        from pipeline.adapters.terraform.initialization import Initialization
        from pipeline.adapters.terraform.provider_locks import ProviderLocks

        terraform, provider = self.terraform(document), self.provider(document)
        locks = ProviderLocks(store=self.store, environment=self.environment)
        done = Initialization(terraform=terraform, folder=provider.folder, locks=locks)
        provider.begin(lambda: terraform.planning_environment() if done.is_current() else None)

    def _program_of_locks(self, document: Environment) -> str:
        """Return the program of an environment that an earlier ami-pipeline deployed, or nothing.

        That one recorded the program with its providers only.
        """
        from pipeline.adapters.terraform.provider_locks import ProviderLocks

        if not document.releases:
            return ""
        locks = ProviderLocks(store=self.store, environment=self.environment)
        found = locks.programs()
        return found[0] if len(found) == 1 else ""

    def shipped_inputs(self) -> Mapping[str, object] | None:
        """Return Terraform's inputs if the module is the shipped one, None for another module."""
        from pipeline.adapters.terraform.root_module import shipped_module

        if self.app.root(self.environment).module != shipped_module():
            return None
        return self.app.settings.terraform_for(self.environment).inputs

    def inputs(self) -> Inputs:
        """Return the inputs of a release that is made now; raises ConfigurationError."""
        from pipeline.app.environment.inputs import configured_inputs

        return configured_inputs(self.app, self.environment)

    @contextmanager
    def made_with(self, inputs: Inputs | None) -> Iterator[None]:
        """Use a release's recorded inputs in place of the configuration's inside the block."""
        configured = self.app
        if inputs is not None:
            settings = with_inputs(configured.settings, self.environment, inputs)
            self.app = replace(configured, settings=settings)
        try:
            yield
        finally:
            self.app = configured

    def changed_inputs(self, document: Environment) -> tuple[InputChange, ...]:
        """Return the inputs in which the configuration differs from the serving release."""
        serving = document.releases.get(document.serving)
        if serving is None or serving.inputs is None:
            return ()
        return input_changes(serving.inputs, self.inputs())

    @property
    def is_worker(self) -> bool:
        """Return True if the environment names no load balancers; raises ConfigurationError."""
        settings = self.app.settings.environment(self.environment)
        return not (settings.load_balancers or settings.target_groups or settings.pairs)

    def read_delays(
        self, others: tuple[Balancer, ...] = (), releases: tuple[str, ...] = ()
    ) -> Delays:
        """Return the longest delays of the load balancers and of `others`.

        Without load balancers, those of the termination hooks of these releases. None if they
        cannot be read: a phase that drains then has its configured limit.
        """
        from pipeline.adapters.aws.balancing.balancer_settings import describe
        from pipeline.core.preflight.facts import longest_delays

        existing, _ = self.found_balancers
        paired = tuple(each for pair in self.pairs for each in pair.targets)
        entries = (*existing, *paired, *others)
        workers = self.is_worker
        try:
            described = describe(self.clients, self.app.settings.region, entries)
            delays = longest_delays(described)
            held = self._read_holds(releases) if workers else 0.0
            return replace(delays, drain=max(delays.drain, held))
        except PipelineError as error:
            name = "time of termination hooks" if workers else "deregistration delay"
            text = f"the {name} is unknown: {error.where}: {error.what}"
            self.app.report(Message(text=f"{text}; {error.remedy}"))
            return Delays()

    def _read_holds(self, releases: tuple[str, ...]) -> float:
        # The group of a worker is never adopted, so its name is the pipeline's own.
        names = [self.key.group(each) for each in releases if each]
        return max((self.groups.read_hold(each) for each in names), default=0.0)

    @cached_property
    def groups(self) -> Groups:
        """The Auto Scaling groups of the region."""
        from pipeline.adapters.aws.groups import Groups

        region, masker = self.app.settings.region, self.app.masker(self.environment)
        return Groups(self.clients, region, clock=self.pace.now, masker=masker)

    @cached_property
    def alarms(self) -> CloudWatchAlarms:
        """The CloudWatch alarms of the region."""
        from pipeline.adapters.aws.alarms import CloudWatchAlarms

        return CloudWatchAlarms(self.clients, self.app.settings.region)

    @cached_property
    def metrics(self) -> CloudWatchMetrics:
        """The CloudWatch metrics of the region."""
        from pipeline.adapters.aws.metrics import CloudWatchMetrics

        region, speed = self.app.settings.region, self.pace.speed
        return CloudWatchMetrics(self.clients, region, speed=speed)

    def serving_observation(self, document: Environment) -> Observation:
        """Return what AWS shows of the serving group, once it serves or no old read explains it.

        A load balancer that does not exist is not read. Raises RefusedError.
        """
        name = document.group(document.serving)
        existing, absent = self.entries(document)
        return read_until(
            lambda: self.groups.observe([name], existing, activities=()),
            lambda seen: bool(absent) or condition_of(name, seen, existing).trouble is None,
            self.pace,
        )

    def image_states(self, document: Environment) -> ImageStates:
        """Return what AWS says about the images that have served; raises RefusedError."""
        from pipeline.adapters.aws.images import Ec2Images

        serving = document.releases.get(document.serving)
        ids = {each.ami_id for each in document.retired}
        ids |= {serving.release.ami_id} if serving else set()
        ids -= {""}  # An adopted release whose image is unknown.
        found = Ec2Images(self.clients).usable(self.app.settings.region, sorted(ids))
        bad = (each.id for each in found if each.tags.get(STATUS_TAG) == ImageStatus.QUARANTINED)
        return ImageStates(
            gone=frozenset(ids - {each.id for each in found}), quarantined=frozenset(bad)
        )

    def serving_group_exists(self, document: Environment) -> bool:
        """Return True if the group of the serving release exists and is not being deleted.

        One read does not prove that a group is gone. Raises RefusedError if AWS does not answer, or
        if another service or store has a group of that name.
        """
        name = document.group(document.serving)
        observation = read_until(
            lambda: self.groups.observe([name], (), activities=()),
            lambda seen: name in seen.groups,
            self.pace,
        )
        if observation.unreadable:
            remedy = commands.status(document.environment)
            raise RefusedError(f"reading {name}", "\n".join(observation.unreadable), remedy)
        group = observation.groups.get(name)
        if group:
            require_managed(document, document.serving, group)
        return group is not None and not group.status
