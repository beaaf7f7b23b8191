"""Build the reconciler of a deployment: every adapter that changes AWS, behind the lease.

This is the one place of the application that knows what a deployer is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from pipeline.adapters.identity import has_exited_with_children, runner
from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.health.observation import Balancer
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Policy
from pipeline.core.state.environment import Lease

if TYPE_CHECKING:
    from pipeline.adapters.aws.members.instance_hooks import InstanceHooks
    from pipeline.adapters.ci.command_hooks import CommandHooks
    from pipeline.adapters.terraform.server_groups import TerraformResources
    from pipeline.adapters.terraform.state_lock import StateLock


def build_reconciler(
    reader: EnvironmentReader,
    ledger: StoreLedger,
    predecessor: Lease | None,
    policy: Policy | None = None,
    leaving: Mapping[str, tuple[Balancer, ...]] = NO_ITEMS,
    sides: Mapping[str, tuple[str, ...]] = NO_ITEMS,
) -> Reconciler:
    """Return the reconciler of the ledger's deployment; the default policy is the environment's.

    `predecessor` is the lease that this run took over from one that stopped, None without one.
    `leaving` has the load balancers that a release leaves for good. `sides` are the target groups
    of pairs that a release is to use, which the document does not name yet.
    """
    from pipeline.adapters.lease.fencing import FencedGroups, FencedHooks, FencedResources

    resources = build_resources(reader, ledger, predecessor)
    place = reader.place(reader.balancers, ledger.read())
    observer = Observer(
        place=replace(place, leaving=leaving, sides={**place.sides, **sides}),
        groups=reader.groups,
        ledger=ledger,
        pace=reader.pace,
    )
    return Reconciler(
        observer=observer,
        policy=policy or reader.policy,
        groups=FencedGroups(groups=reader.groups, fence=ledger.fence),
        resources=FencedResources(resources=resources, fence=ledger.fence),
        hooks=FencedHooks(
            here=_hooks_here(reader), instances=_hooks_on_instances(reader), fence=ledger.fence
        ),
        ledger=ledger,
        pace=reader.pace,
    )


def build_resources(
    reader: EnvironmentReader, ledger: StoreLedger, predecessor: Lease | None
) -> TerraformResources:
    """Return Terraform for the environment, with its lock and its recorded providers."""
    from pipeline.adapters.terraform.provider_locks import ProviderLocks
    from pipeline.adapters.terraform.server_groups import TerraformResources

    document = ledger.read()
    terraform = reader.terraform(document)
    return TerraformResources(
        terraform=terraform,
        root=reader.app.root(reader.environment),
        clients=reader.clients,
        lock=state_lock(reader, ledger, predecessor),
        settle=_await_terraform_of(reader, predecessor),
        providers=ProviderLocks(store=reader.store, environment=reader.environment),
        provider=reader.provider(document),
    )


def _hooks_here(reader: EnvironmentReader) -> CommandHooks:
    from pipeline.adapters.ci.command_hooks import CommandHooks

    app = reader.app
    return CommandHooks(
        environ=app.environ,
        folder=app.settings.root,
        log=app.logs / f"hooks-{app.settings.app}-{reader.environment}.log",
        interrupts=app.interrupts,
        masker=app.masker(reader.environment),
    )


def _hooks_on_instances(reader: EnvironmentReader) -> InstanceHooks:
    from pipeline.adapters.aws.members.instance_hooks import InstanceHooks

    app = reader.app
    return InstanceHooks(
        clients=reader.clients,
        region=app.settings.region,
        sleep=app.interrupts.sleep,
        masker=app.masker(reader.environment),
    )


def _await_terraform_of(reader: EnvironmentReader, predecessor: Lease | None) -> Callable[[], None]:
    """Return a function that waits for the predecessor's Terraform to exit, on this machine.

    It does not wait after a broken lease: that run may still be alive, and so may its Terraform.
    """
    from pipeline.adapters.process.survivors import await_end

    if predecessor is None or predecessor.broken:
        return lambda: None
    app = reader.app
    terraform = app.terraform(reader.environment)

    @cache  # A Terraform that runs after the first wait is this run's own.
    def wait() -> None:
        grace = terraform.grace + 5
        await_end(terraform.log, grace, wait=app.interrupts.sleep, report=app.report)

    return wait


def state_lock(
    reader: EnvironmentReader, ledger: StoreLedger, predecessor: Lease | None
) -> StateLock | None:
    """Return the lock on Terraform's state in S3; None for a file, which Terraform locks itself."""
    from pipeline.adapters.terraform.state_lock import LockOwner, StateLock

    app, root, owner = reader.app, reader.app.root(reader.environment), runner(reader.app.environ)
    if root.bucket is None:
        return None
    lock_owner = LockOwner(
        environment=f"{app.settings.app}/{reader.environment}",
        deployment=ledger.deployment,
        epoch=ledger.epoch,
        who=f"{owner.user}@{owner.host}",
        broken=ledger.read().broken,
    )
    return StateLock(
        s3=reader.clients.s3(root.bucket.region),
        bucket=root.bucket,
        account=app.bucket_owner(root.bucket.name, reader.environment),
        owner=lock_owner,
        folder=root.folder,
        now=reader.now,
        wait=app.interrupts.sleep,
        report=app.report,
        over=lambda: predecessor is not None and has_exited_with_children(predecessor, root.folder),
    )
