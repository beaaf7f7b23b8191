"""Auto Scaling groups: observe them, attach, detach and resize them.

This module creates and deletes no group: Terraform does (docs/reference/terraform.md).
`group_parsing` reads AWS's responses, `balancers` reads the targets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.adapters.aws.balancing.balancers import target_reader
from pipeline.adapters.aws.balancing.pairs import listener_url, shift, weight_readers
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import (
    read_instances,
    read_launched_version,
    read_tags,
    read_templates,
)
from pipeline.adapters.aws.group_parsing import (
    read_activities,
    read_all_groups,
    read_groups,
    read_hold,
)
from pipeline.adapters.aws.retry import batches, call, error_code, is_permanent
from pipeline.core.deploy.ports import Evidence
from pipeline.core.errors import FailedError
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.health.unrecoverable import current
from pipeline.core.image import TAG_PREFIX
from pipeline.core.masking import Masker
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import owner_in
from pipeline.core.state.rebuilding import LaunchSource, Traces
from pipeline.core.state.release import release_of

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Answer = TypeVar("Answer")

SOURCES_PER_CALL = 10
"""Traffic sources in a call of AttachTrafficSources or DetachTrafficSources."""

NOT_ATTACHED = "not part of the group"
"""From AWS's error: "Trying to remove Target Groups that are not part of the group"."""

THREADS = 8


class Groups:
    """The Auto Scaling groups of a region; `clock` gives the time of an observation, in seconds.

    `masker` removes secrets from a failed group's evidence, which includes console output.
    """

    def __init__(
        self,
        clients: Clients,
        region: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        masker: Masker | None = None,
    ) -> None:
        self._clients = clients
        self._region = region
        self._clock = clock
        self._masker = masker or Masker()

    def observe(
        self,
        names: Sequence[str],
        balancers: Sequence[Balancer],
        *,
        activities: Sequence[str],
        rules: Sequence[str] = (),
    ) -> Observation:
        """Return these groups, these balancers' targets, the newest activities of some groups.

        One DescribeAutoScalingGroups (for each 100 names), one DescribeTargetHealth or
        DescribeInstanceHealth for each balancer, one DescribeScalingActivities for each group of
        `activities`, one DescribeRules or DescribeListeners for each of `rules`, all at the same
        time. AWS limits the calls of a whole account, so a caller that polls waits at least a
        second for each group and each balancer between observations.

        `at` is a time before the first call: everything observed is at least as new. A fact that
        could not be read is missing from its map, and `unreadable` gives the reason. Raises
        RefusedError for a permanent failure: no permission, no credentials, a deleted load
        balancer.
        """
        from concurrent.futures import ThreadPoolExecutor

        at = self._clock()
        with translate_errors("reading the server groups", self._region):
            client = self._clients.autoscaling(self._region)
            targets = {
                each.identifier: target_reader(self._clients, self._region, each)
                for each in balancers
            }
            with ThreadPoolExecutor(THREADS) as pool:
                queries = _Queries(pool)
                found = queries.start({"": partial(read_groups, client, names)})
                health = queries.start(targets)
                newest = queries.start({n: partial(read_activities, client, n) for n in activities})
                weights = queries.start(weight_readers(self._clients, self._region, rules))
                return Observation(
                    at=at,
                    groups=queries.results(found).get("", {}),
                    targets=queries.results(health),
                    activities=queries.results(newest),
                    weights=queries.results(weights),
                    unreadable=tuple(queries.unreadable),
                )

    def receiving(
        self, balancers: Sequence[Balancer], instances: AbstractSet[str]
    ) -> dict[str, ObservedGroup]:
        """Return every group of the region that is attached to a load balancer or has an instance.

        Without load balancers and instances, every group of the region. Raises RefusedError.
        """
        every = not balancers and not instances
        identifiers = {each.identifier for each in balancers}
        with translate_errors("reading the groups that receive traffic", self._region):
            found = read_all_groups(self._clients.autoscaling(self._region))
            return {
                each.name: each
                for each in found
                if every
                or each.attached & identifiers
                or instances & {it.id for it in each.members}
            }

    def traces(self, wanted: Environment) -> Traces:
        """Return every group of the region, and what is left of an environment's releases.

        Raises RefusedError.
        """
        with translate_errors("reading the groups of the environment", self._region):
            ec2 = self._clients.ec2(self._region)
            groups = tuple(read_all_groups(self._clients.autoscaling(self._region)))
            owner = f"{wanted.app}/{wanted.environment}"
            ours = [each for each in groups if owner_in(each.tags) == owner and each.template]
            read = {
                each.name: read_launched_version(ec2, each.template, each.version) for each in ours
            }
            sources = {
                name: LaunchSource(image=each.image, instance_type=each.instance_type)
                for name, each in read.items()
                if each
            }
            releases = frozenset(_releases_left(ec2, wanted))
            return Traces(groups=groups, sources=sources, releases=releases)

    def read_hold(self, group: str) -> float:
        """Return for how many seconds the termination hooks of a group hold an instance.

        Hooks hold it at the same time, and a heartbeat starts the time again (API Reference,
        LifecycleHook.HeartbeatTimeout). 0 without a hook or a group. Raises RefusedError.
        """
        with translate_errors(f"reading the hooks of {group}", self._region):
            return read_hold(self._clients.autoscaling(self._region), group)

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Attach the group to load balancers; may be repeated, an attached one is no error.

        AWS registers the members a moment later (API Reference, AttachTrafficSources). Raises
        FailedError with AWS's message.
        """
        with self._translating(f"attaching {group} to {_names(balancers)}"):
            client = self._clients.autoscaling(self._region)
            for batch in batches(balancers, SOURCES_PER_CALL):
                attach = client.attach_traffic_sources
                call(attach, AutoScalingGroupName=group, TrafficSources=_sources(batch))

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Detach the group from load balancers; its members drain. May be repeated.

        AWS rejects the whole call if one source is not attached. An observation may be older than
        the last attachment, so the call is made anyway and repeated for each source alone. Raises
        FailedError with AWS's message.
        """
        with self._translating(f"detaching {group} from {_names(balancers)}"):
            client = self._clients.autoscaling(self._region)
            for batch in batches(balancers, SOURCES_PER_CALL):
                if _detach(client, group, batch):
                    for each in batch:
                        _detach_one(client, group, each)

    def shift(self, rule: str, weights: Mapping[str, int]) -> None:
        """Set the weights of a listener's or rule's target groups, in percent, by their ARNs.

        Raises FailedError with AWS's message.
        """
        shift(self._clients, self._region, rule, weights)

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set the sizes that are not None; raises FailedError with AWS's message.

        A maximum below the desired size lowers that, too (API Reference, UpdateAutoScalingGroup).
        """
        given = {"MinSize": minimum, "MaxSize": maximum, "DesiredCapacity": desired}
        sizes: dict[str, Any] = {key: size for key, size in given.items() if size is not None}
        if not sizes:
            return
        with self._translating(f"resizing {group}"):
            update = self._clients.autoscaling(self._region).update_auto_scaling_group
            call(update, AutoScalingGroupName=group, **sizes)

    def url_of(self, rule: str) -> str:
        """Return the URL of a listener, or of that of a rule; raises RefusedError."""
        return listener_url(self._clients, self._region, rule)

    def addresses(self, group: str) -> tuple[str, ...]:
        """Return the private IPv4 addresses of the running members; raises RefusedError.

        Instances of a warm pool have the group's tag, too, and are no members.
        """
        filters = {"tag:aws:autoscaling:groupName": [group], "instance-state-name": ["running"]}
        with translate_errors(f"reading the addresses of {group}", self._region):
            observed = read_groups(self._clients.autoscaling(self._region), [group]).get(group)
            members = {each.id for each in current(observed)} if observed else set()
            running = read_instances(self._clients.ec2(self._region), filters)
            found = [
                each.get("PrivateIpAddress", "")
                for each in running
                if each["InstanceId"] in members
            ]
        return tuple(sorted(each for each in found if each))

    def evidence(self, group: str, observation: Observation) -> Evidence:
        """Return a text about a failed group, with secrets masked; never raises."""
        from pipeline.adapters.aws.members.diagnostics import gather

        found = gather(self._clients, self._region, group, observation)
        mask = self._masker.text
        return Evidence(text=mask(found.text), lines=tuple(map(mask, found.lines)))

    def _translating(self, where: str) -> Any:
        return translate_errors(where, self._region, FailedError)


class _Queries:
    """Calls made at the same time; `unreadable` has a line for each that failed temporarily."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.unreadable: list[str] = []

    def start(self, queries: Mapping[str, Callable[[], Answer]]) -> dict[str, Future[Answer]]:
        """Start queries by key; return their futures."""
        return {key: self._pool.submit(query) for key, query in queries.items()}

    def results(self, started: Mapping[str, Future[Answer]]) -> dict[str, Answer]:
        """Return the results that arrived, by key; raises a permanent error of botocore's."""
        from botocore.exceptions import BotoCoreError, ClientError

        found: dict[str, Answer] = {}
        for key, future in started.items():
            try:
                found[key] = future.result()
            except (BotoCoreError, ClientError) as error:
                if is_permanent(error):
                    raise
                self.unreadable.append(" ".join(f"{key} {error}".split()))
        return found


def _releases_left(ec2: Any, wanted: Environment) -> Iterator[str]:
    """Yield the releases of which a launch template or an instance is left, also a terminated one.

    EC2 shows a terminated instance for about an hour (EC2 User Guide, "Terminate instances").
    """
    owner = {
        f"tag:{TAG_PREFIX}app": [wanted.app],
        f"tag:{TAG_PREFIX}environment": [wanted.environment],
    }
    for instance in read_instances(ec2, owner):
        yield read_tags(instance).get(f"{TAG_PREFIX}release", "")
    for template in read_templates(ec2):
        yield release_of(template.name, wanted.app, wanted.environment)


def _detach_one(client: Any, group: str, balancer: Balancer) -> None:
    """Detach one source; raise AWS's error only if the source is attached.

    The error's text tells, or a new read of the group.
    """
    error = _detach(client, group, [balancer])
    if error is None or NOT_ATTACHED in str(error):
        return
    observed = read_groups(client, [group]).get(group)
    if observed and balancer.identifier in observed.attached:
        raise error


def _detach(client: Any, group: str, balancers: Sequence[Balancer]) -> Exception | None:
    """Detach; return the ValidationError with which AWS rejects the call, or None."""
    from botocore.exceptions import ClientError

    detach = client.detach_traffic_sources
    try:
        call(detach, AutoScalingGroupName=group, TrafficSources=_sources(balancers))
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return error
        raise
    return None


def _sources(balancers: Sequence[Balancer]) -> list[Any]:
    return [{"Identifier": each.identifier, "Type": each.kind} for each in balancers]


def _names(balancers: Sequence[Balancer]) -> str:
    return ", ".join(each.name for each in balancers)
