"""Auto Scaling groups: what one poll sees of them, who serves, how many.

None is made or deleted here: that is Terraform's (docs/terraform.md). What AWS answers becomes
the core's values in `group_reading`; targets are read by `balancers`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.adapters.aws.balancers import batches, reader
from pipeline.adapters.aws.client import Clients, call, error_code, lasts, speaking_plainly
from pipeline.adapters.aws.group_parsing import read_activities, read_groups
from pipeline.core.errors import FailedError
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.masking import Masker

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Answer = TypeVar("Answer")

SOURCES_AT_ONCE = 10
"""Traffic sources in a call of AttachTrafficSources or DetachTrafficSources."""

NOT_ATTACHED = "not part of the group"
"""From AWS's refusal: "Trying to remove Target Groups that are not part of the group"."""

THREADS = 8
RUNNING: Any = {"Name": "instance-state-name", "Values": ["running"]}


class Groups:
    """The Auto Scaling groups of a region; `clock` gives the seconds of a look.

    `masker` knows what may not be in a group's evidence: an instance's console is kept in it.
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
        self, names: Sequence[str], balancers: Sequence[Balancer], *, activities: Sequence[str]
    ) -> Observation:
        """Return these groups, these balancers' targets, the newest activities of some groups.

        One DescribeAutoScalingGroups (for each 100 names), one DescribeTargetHealth or
        DescribeInstanceHealth for each balancer, one DescribeScalingActivities for each group of
        `activities`, all at the same time. AWS counts the calls of a whole account, so whoever
        polls leaves at least a second for each group and balancer of one API between two looks;
        what is throttled is asked again with jitter.

        `at` is before the first question: everything seen is at least as new. What could not be
        read is missing from its map, and `unreadable` says why. Raises RefusedError where asking
        again is of no use: no permission, no credentials, a load balancer that is gone.
        """
        from concurrent.futures import ThreadPoolExecutor

        at = self._clock()
        with speaking_plainly("looking at the groups", self._region):
            client = self._clients.autoscaling(self._region)
            targets = {b.identifier: reader(self._clients, self._region, b) for b in balancers}
            with ThreadPoolExecutor(THREADS) as pool:
                asking = _Asking(pool)
                found = asking.ask({"": partial(read_groups, client, names)})
                health = asking.ask(targets)
                news = asking.ask({n: partial(read_activities, client, n) for n in activities})
                return Observation(
                    at=at,
                    groups=asking.answers(found).get("", {}),
                    targets=asking.answers(health),
                    activities=asking.answers(news),
                    unreadable=tuple(asking.unreadable),
                )

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve; what is attached already is no error, so it may be repeated.

        The members are registered a moment later (API Reference, AttachTrafficSources). Raises
        FailedError with AWS's words.
        """
        with self._changing(f"attaching {group} to {_names(balancers)}"):
            client = self._clients.autoscaling(self._region)
            for batch in batches(balancers, SOURCES_AT_ONCE):
                attach = client.attach_traffic_sources
                call(attach, AutoScalingGroupName=group, TrafficSources=_sources(batch))

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve no more; its members drain. What is not attached is no error.

        AWS refuses the whole call for one source that is not attached. It is asked all the same,
        for a read may be older than the last attaching, and a refusal is settled source by source.
        Raises FailedError with AWS's words.
        """
        with self._changing(f"detaching {group} from {_names(balancers)}"):
            client = self._clients.autoscaling(self._region)
            for batch in batches(balancers, SOURCES_AT_ONCE):
                if _refusal(client, group, batch):
                    for each in batch:
                        _detach_one(client, group, each)

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set what is not None; raises FailedError with AWS's words.

        A maximum below the desired size cuts that too (API Reference, UpdateAutoScalingGroup).
        """
        given = {"MinSize": minimum, "MaxSize": maximum, "DesiredCapacity": desired}
        sizes: dict[str, Any] = {key: size for key, size in given.items() if size is not None}
        if not sizes:
            return
        with self._changing(f"resizing {group}"):
            update = self._clients.autoscaling(self._region).update_auto_scaling_group
            call(update, AutoScalingGroupName=group, **sizes)

    def addresses(self, group: str) -> tuple[str, ...]:
        """Return the private addresses of the members; raises RefusedError where AWS refuses."""
        tag: Any = [{"Name": "tag:aws:autoscaling:groupName", "Values": [group]}]
        with speaking_plainly(f"reading the addresses of {group}", self._region):
            pages = self._clients.ec2(self._region).get_paginator("describe_instances")
            found = [
                instance.get("PrivateIpAddress", "")
                for page in pages.paginate(Filters=[*tag, RUNNING])
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            ]
        return tuple(sorted(each for each in found if each))

    def evidence(self, group: str, observation: Observation) -> str:
        """Return all there is to read about a group that failed, in AWS's words; never raises."""
        from pipeline.adapters.aws.diagnostics import gather

        return self._masker.text(gather(self._clients, self._region, group, observation))

    def _changing(self, where: str) -> Any:
        return speaking_plainly(where, self._region, FailedError)


class _Asking:
    """Questions that are asked at the same time, and why some have no answer."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.unreadable: list[str] = []

    def ask(self, questions: Mapping[str, Callable[[], Answer]]) -> dict[str, Future[Answer]]:
        return {key: self._pool.submit(question) for key, question in questions.items()}

    def answers(self, asked: dict[str, Future[Answer]]) -> dict[str, Answer]:
        from botocore.exceptions import BotoCoreError, ClientError

        found: dict[str, Answer] = {}
        for key, future in asked.items():
            try:
                found[key] = future.result()
            except (BotoCoreError, ClientError) as error:
                if lasts(error):
                    raise
                self.unreadable.append(" ".join(f"{key} {error}".split()))
        return found


def _detach_one(client: Any, group: str, balancer: Balancer) -> None:
    """Detach; a refusal counts only where the source is attached, by its words or by a look."""
    refusal = _refusal(client, group, [balancer])
    if refusal is None or NOT_ATTACHED in str(refusal):
        return
    seen = read_groups(client, [group]).get(group)
    if seen and balancer.identifier in seen.attached:
        raise refusal


def _refusal(client: Any, group: str, balancers: Sequence[Balancer]) -> Exception | None:
    """Detach, or return why AWS finds that there is nothing to detach."""
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
