"""Define the status of an environment: its document, what AWS shows, and the rollback option.

Pure, so that the same value becomes a tree, a JSON document or an exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.core.changes.inputs import InputChange
from pipeline.core.freezing.freeze import NOT_FROZEN, FreezeState
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.health.pairs import ALL, Pair
from pipeline.core.health.serving import Condition, Trouble, condition_of
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.ownership import other_owner
from pipeline.core.state.rollback import ALL_GOOD, ImageStates, RollbackOption, seconds_left


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """An environment by its document and by AWS, at one moment.

    `observation` also has the other groups that receive traffic. `absent` are the configured load
    balancers that do not exist; `balancers` do. `running` says whether the process of the
    deployment in flight is running, `is_overdue` whether the time of its pause is over. `images`
    are those of the earlier releases. `versions` maps unmanaged releases to their versions, found
    for example by a tag. `changed` are the inputs in which the configuration differs from the
    serving release; `problem` says why they are unknown.
    `balancers` has the target groups of `pairs` that the serving release uses. `frozen` are the
    freezes that last now, `latest` the newest deployment that ended. `unread` says what could not
    be read beside the groups and load balancers: images, freezes, records of deployments.
    """

    environment: Environment
    observation: Observation
    balancers: tuple[Balancer, ...]
    rollback: RollbackOption
    absent: tuple[Balancer, ...] = ()
    running: bool = False
    is_overdue: bool = False
    images: ImageStates = ALL_GOOD
    versions: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    changed: tuple[InputChange, ...] = ()
    problem: str = ""
    pairs: tuple[Pair, ...] = ()
    frozen: FreezeState = NOT_FROZEN
    latest: Deployment | None = None
    unread: tuple[str, ...] = ()

    @property
    def is_worker(self) -> bool:
        """Return True if the configuration names no load balancers."""
        return not self.balancers and not self.absent

    def balancers_of(self, release: str) -> tuple[Balancer, ...]:
        """Return the load balancers of a release: of a pair, the target group that it uses."""
        record = self.environment.releases.get(release)
        if not self.pairs or record is None:
            return self.balancers
        both = {each for pair in self.pairs for each in pair.targets}
        used = (pair.target_of(record.target_groups) for pair in self.pairs)
        return (*(each for each in self.balancers if each not in both), *used)

    @property
    def all_balancers(self) -> tuple[Balancer, ...]:
        """Every load balancer: those of the serving release, then the idle sides of pairs."""
        both = (each for pair in self.pairs for each in pair.targets)
        return tuple(dict.fromkeys((*self.balancers, *both)))

    def share(self, balancer: Balancer) -> int | None:
        """Return the percent of new requests that a target group of a pair gets, if known."""
        for pair in self.pairs:
            if balancer in pair.targets and pair.rule in self.observation.weights:
                return self.observation.weights[pair.rule].get(balancer.identifier, 0)
        return None


_CAPACITY = "capacity"
"""What a worker's group has in place of load balancers, while it may run instances."""


def is_running(environment: Environment, now: datetime, *, process: bool | None = None) -> bool:
    """Return True if the deployment in flight is running: if its own lease has not expired.

    `process` says whether its process exists on this machine, None if that is unknown.
    """
    deployment, lease = environment.deployment, environment.lease
    if deployment is None or deployment.pause or lease is None:
        return False
    if lease.owner != deployment.by or process is False:
        return False
    left = seconds_left(lease.expires, now)
    return left is not None and left > 0


def missing_releases(environment: Environment, observation: Observation) -> frozenset[str]:
    """Return the releases whose groups do not exist or are being removed; none if unreadable.

    A removal empties a group before Terraform deletes it.
    """
    if observation.unreadable:
        return frozenset()

    def is_missing(record: ReleaseRecord) -> bool:
        group = observation.groups.get(environment.group(record.release.name))
        emptied = bool(record.removal) and group is not None and not group.desired
        return group is None or bool(group.status) or emptied

    return frozenset(name for name, each in environment.releases.items() if is_missing(each))


def taking_over(status: Status) -> str:
    """Return the release that receives all traffic in place of the serving one, or empty.

    From the drain on, green receives all traffic; the document names it as serving later.
    """
    environment, deployment = status.environment, status.environment.deployment
    if deployment is None or status.observation.unreadable:
        return ""
    blue, green = deployment.blue, deployment.green
    other = green if environment.serving == blue else blue
    balancers = {each.identifier for each in status.balancers} or {_CAPACITY}

    if status.pairs:
        used = [each for each in status.balancers_of(other) if status.share(each) is not None]
        return other if used and all(status.share(each) == ALL for each in used) else ""

    def attached(release: str) -> AbstractSet[str]:
        group = status.observation.groups.get(environment.group(release)) if release else None
        if group is None or group.status:
            return frozenset()
        runs = {_CAPACITY} if status.is_worker and group.maximum else frozenset[str]()
        return (group.attached | runs) & balancers

    alone = attached(other) == balancers and not attached(environment.serving)
    return other if alone else ""


def missing_image(status: Status) -> str:
    """Return the image of the serving release if it does not exist: no instance can start."""
    record = status.environment.releases.get(status.environment.serving)
    image = record.release.ami_id if record else ""
    return image if image in status.images.gone else ""


def condition(status: Status, release: str = "") -> Condition:
    """Return the condition of a release's group, by default of the serving release."""
    environment = status.environment
    release = release or environment.serving
    name = environment.group(release)
    group = status.observation.groups.get(name)
    if group and (owner := other_owner(environment, group.tags)):
        return Condition(trouble=Trouble.OTHERS, what=f"a group of {owner} has its name")
    return condition_of(name, status.observation, status.balancers_of(release), status.absent)
