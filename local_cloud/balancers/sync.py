"""What follows a change: terminated instances are deregistered, the traffic plane gets the plan."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

from local_cloud import behavior_targets
from local_cloud.balancers import classic, registered
from local_cloud.balancers import elbv2 as version2
from local_cloud.behavior_targets import each
from local_cloud.traffic.plan import Balancer, Plan, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.behaviors import Answers
    from local_cloud.cloud import Cloud
    from local_cloud.instances.network import Network

log = logging.getLogger(__name__)


@dataclasses.dataclass(kw_only=True)
class Follower:
    """Keeps the traffic plane at what the models say; runs under the API's lock."""

    cloud: Cloud
    _plan: Plan = dataclasses.field(default_factory=Plan)

    def __call__(self) -> None:
        """Look at the models, and order what has changed."""
        try:
            tidy()
            plan = read(answers(self.cloud))
        except Exception:
            log.exception("what the load balancers are to carry cannot be read")
            return  # the call that led here has done what it was asked for
        if plan != self._plan:
            self._plan = plan
            self.cloud.traffic.apply(plan)


def answers(cloud: Cloud) -> Callable[[str], Answers]:
    """Return what tells of each instance what it was ordered to answer."""
    find = behavior_targets.everyone()
    return lambda instance: cloud.answers(find(instance))


def read(answers: Callable[[str], Answers]) -> Plan:
    """Return what the models of every account and region come to."""
    balancers: list[Balancer] = []
    pools: list[Pool] = []
    for backend in each(elb_backends):
        balancers += classic.balancers(backend)
        pools += classic.pools(backend, instances(backend), answers)
    for backend in each(elbv2_backends):
        balancers += version2.balancers(backend)
        region = version2.Region(backend=backend, instances=instances(backend), answers=answers)
        pools += region.pools()
    return Plan(balancers=tuple(balancers), pools=tuple(pools))


def instances(backend: Any) -> dict[str, Any]:
    """Return the instances of a backend's account and region, if it has load balancers."""
    if not (backend.load_balancers or getattr(backend, "target_groups", None)):
        return {}
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    return {instance.id: instance for instance in ec2.all_instances()}


def tidy() -> None:
    """Let the models say what AWS's would after a change elsewhere."""
    for backend in each(elb_backends):
        deregister_the_gone(backend)
    for backend in each(elbv2_backends):
        drain_the_gone(backend)
        name_the_users(backend)


# A terminated instance is deregistered from its load balancers by itself (Classic Load Balancers
# guide, "Registered instances"; ELBv2 guides, "Register targets"); moto keeps it, in a target
# group even as healthy if a group or the instance itself ended it. A stopped one stays registered.
def deregister_the_gone(backend: Any) -> None:
    """Take terminated instances from the classic load balancers of a region."""
    known = instances(backend)
    for balancer in backend.load_balancers.values():
        for ids in (balancer.instance_sparse_ids, balancer.instance_autoscaling_ids):
            ids[:] = [id_ for id_ in ids if not registered.is_gone(known, id_)]


def drain_the_gone(backend: Any) -> None:
    """Take terminated instances from the target groups of a region."""
    known = instances(backend)
    for group in backend.target_groups.values():
        if group.target_type == "instance":
            for key, target in list(group.targets.items()):
                if registered.is_gone(known, target["Id"]):
                    del group.targets[key]


# DescribeTargetGroups names the load balancer that uses a group now (data type TargetGroup);
# moto adds one at each listener and rule and takes none away.
def name_the_users(backend: Any) -> None:
    """Let each target group name the load balancers that use it."""
    everyone = list(backend.load_balancers.values())
    for group in backend.target_groups.values():
        group.load_balancer_arns = [b.arn for b in version2.using(everyone, group.arn)]


def described(cloud: Cloud) -> list[dict[str, Any]]:
    """Return every listener of every load balancer with the URL it answers at."""
    plan, urls = read(answers(cloud)), cloud.traffic.urls()
    return [
        {
            "name": balancer.name,
            "kind": balancer.kind,
            "protocol": listener.protocol,
            "port": listener.port,
            "url": urls.get((balancer.key, listener.port), ""),
        }
        for balancer in plan.balancers
        for listener in balancer.listeners
    ]


def address(network: Network) -> str:
    """Return an address that no load balancer has, if there is one left."""
    taken = {b.dns_name for of in (elb_backends, elbv2_backends) for b in everywhere(of)}
    for _ in taken:
        found = network.balancer_address()
        if found not in taken:
            return found
    return network.balancer_address()


def everywhere(of_service: Any) -> Iterator[Any]:
    """Yield every load balancer of a service."""
    for backend in each(of_service):
        yield from backend.load_balancers.values()
