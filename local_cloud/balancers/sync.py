"""Bring the load balancers in line after each change: deregister, make the plan, apply it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

from local_cloud import behavior_targets
from local_cloud.balancers import classic, elbv2, registered
from local_cloud.behavior_targets import each
from local_cloud.traffic.plan import Balancer, Plan, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.behaviors import Answers
    from local_cloud.cloud import Cloud
    from local_cloud.instances.network import Network

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class BalancerSync:
    """Applies the plan of the models to the data plane; call it under the API's lock."""

    cloud: Cloud
    _plan: Plan = field(default_factory=Plan)

    def __call__(self) -> None:
        """Read the models, and apply the plan if it has changed."""
        try:
            deregister_terminated()
            plan = read(answers(self.cloud))
        except Exception:
            log.exception("the plan of the load balancers cannot be made")
            return  # the API call before has succeeded
        if plan != self._plan:
            self._plan = plan
            self.cloud.traffic.apply(plan)


def answers(cloud: Cloud) -> Callable[[str], Answers]:
    """Return a function that gives the answers of each instance (see `behaviors`)."""
    find = behavior_targets.of_many()
    return lambda instance: cloud.answers(find(instance))


def read(answers: Callable[[str], Answers]) -> Plan:
    """Return the plan of every account and region."""
    balancers: list[Balancer] = []
    pools: list[Pool] = []
    for backend in each(elb_backends):
        balancers += classic.balancers(backend)
        pools += classic.pools(backend, instances(backend), answers)
    for backend in each(elbv2_backends):
        balancers += elbv2.balancers(backend)
        region = elbv2.Region(backend=backend, instances=instances(backend), answers=answers)
        pools += region.pools()
    return Plan(balancers=tuple(balancers), pools=tuple(pools))


def instances(backend: Any) -> dict[str, Any]:
    """Return the instances of a backend's account and region, if it has load balancers."""
    if not (backend.load_balancers or getattr(backend, "target_groups", None)):
        return {}
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    return {instance.id: instance for instance in ec2.all_instances()}


def deregister_terminated() -> None:
    """Update the models of load balancers as AWS does after a change of instances."""
    for backend in each(elb_backends):
        deregister_from_classic(backend)
    for backend in each(elbv2_backends):
        deregister_from_target_groups(backend)
        name_load_balancers(backend)


# AWS deregisters a terminated instance from its load balancers (Classic Load Balancers guide,
# "Registered instances"; ELBv2 guides, "Register targets"). moto keeps it, in a target group even
# as healthy if an Auto Scaling group or the instance ended it. A stopped one stays registered.
def deregister_from_classic(backend: Any) -> None:
    """Deregister terminated instances from the classic load balancers of a region."""
    known = instances(backend)
    for balancer in backend.load_balancers.values():
        for ids in (balancer.instance_sparse_ids, balancer.instance_autoscaling_ids):
            ids[:] = [id_ for id_ in ids if not registered.is_gone(known, id_)]


def deregister_from_target_groups(backend: Any) -> None:
    """Deregister terminated instances from the target groups of a region."""
    known = instances(backend)
    for group in backend.target_groups.values():
        if group.target_type == "instance":
            for key, target in list(group.targets.items()):
                if registered.is_gone(known, target["Id"]):
                    del group.targets[key]


# DescribeTargetGroups names the load balancer that uses a group now (data type TargetGroup).
# moto adds one with each listener and rule and never removes one.
def name_load_balancers(backend: Any) -> None:
    """Set the load balancers that use each target group."""
    balancers = list(backend.load_balancers.values())
    for group in backend.target_groups.values():
        group.load_balancer_arns = [b.arn for b in elbv2.using(balancers, group.arn)]


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
    """Return an address that no load balancer has, as long as there is one."""
    services = (elb_backends, elbv2_backends)
    taken = {b.dns_name for backends in services for b in balancers_of(backends)}
    for _ in taken:
        found = network.balancer_address()
        if found not in taken:
            return found
    return network.balancer_address()


def balancers_of(backends: Any) -> Iterator[Any]:
    """Yield every load balancer of a service."""
    for backend in each(backends):
        yield from backend.load_balancers.values()
